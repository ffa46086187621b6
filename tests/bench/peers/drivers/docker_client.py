"""The plain `docker` client: containers with the engine's defaults, archives, execs."""

from __future__ import annotations

import io
import shlex
import sys
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING

import docker

from bench.peers.drivers.serve import Files, Mode, Peer, Sandbox, serve
from bench.peers.job import FOLDER, Ran, joined, split

if TYPE_CHECKING:
    from docker.models.containers import Container

IDLE = ["sleep", "infinity"]


class Kept(Sandbox):
    """A container that runs, with an exec a command."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def put(self, files: Files) -> None:
        self._container.put_archive("/", archive(files))

    def run(self, command: str) -> Ran:
        ran = self._container.exec_run(shlex.split(command), workdir=FOLDER)
        assert isinstance(ran.output, bytes)
        assert ran.exit_code is not None
        return Ran(ran.exit_code, ran.output.decode("utf-8", "replace"))


class Started(Sandbox):
    """A container whose own command is the whole job: nothing is executed but by its start."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def put(self, files: Files) -> None:
        self._container.put_archive("/", archive(files))

    def run(self, command: str) -> Ran:
        raise NotImplementedError("its one command is given at its creation")

    def judge(self, files: Files) -> list[Ran]:
        self.put(files)
        self._container.start()
        self._container.wait()
        return split(self._container.logs().decode("utf-8", "replace"))


def archive(files: Files) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as members:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(f"{FOLDER.lstrip('/')}/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def prepare() -> Peer:
    image, label = sys.argv[1:]
    labels = dict([label.split("=")])
    client = docker.from_env()
    kept: list[Container] = []

    @contextmanager
    def fresh() -> Iterator[Sandbox]:
        container = client.containers.run(image, IDLE, detach=True, labels=labels)
        try:
            yield Kept(container)
        finally:
            container.remove(force=True)

    @contextmanager
    def one_start() -> Iterator[Sandbox]:
        command = ["sh", "-c", joined()]
        container = client.containers.create(image, command, working_dir=FOLDER, labels=labels)
        try:
            yield Started(container)
        finally:
            container.remove(force=True)

    def warm() -> AbstractContextManager[Sandbox]:
        if not kept:
            kept.append(client.containers.run(image, IDLE, detach=True, labels=labels))
        return nullcontext(Kept(kept[0]))

    def close() -> None:
        for container in kept:
            container.remove(force=True)

    modes = {
        "fresh": Mode(fresh),
        "fresh, the job as its command": Mode(one_start),
        "warm": Mode(warm),
        "warm, one call": Mode(warm, one_call=True),
    }
    notes = (
        "docker: warm is a container that is kept and executed in; the client has no pool and no time limit.",
    )
    return Peer(version("docker"), modes, close, notes)


if __name__ == "__main__":
    serve(prepare)
