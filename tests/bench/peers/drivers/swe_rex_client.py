"""swe-rex: a server inside the container that executes what it is told over HTTP."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import Any, TypeVar

# Read by swe-rex when it is imported: it logs every step otherwise.
os.environ["SWE_REX_LOG_STREAM_LEVEL"] = "ERROR"

from swerex.deployment.docker import DockerDeployment
from swerex.exceptions import CommandTimeoutError
from swerex.runtime.abstract import BashAction, Command, CreateBashSessionRequest, WriteFileRequest

from bench.peers.drivers.serve import LIMIT_SECONDS, Files, Mode, NotStopped, Peer, Sandbox, serve
from bench.peers.job import FOLDER, Ran

T = TypeVar("T")
NOTES = (
    "swe-rex: its server is in the image and started by `python3 -m swerex`; the ways in which it comes into "
    "an image that lacks it (pipx, a build on python:3.11.9-slim) need a network and a registry.",
    "swe-rex: warm is a deployment that is kept, since it has no pool; commands go by `execute`, or through "
    "one bash session that is kept too.",
)


class Deployment(DockerDeployment):  # type: ignore[misc]  # Its package is in the driver's environment only.
    """Starts the server by its module: our images have no console scripts."""

    def _get_swerex_start_cmd(self, token: str) -> list[str]:
        return ["python3", "-m", "swerex", "--auth-token", token]


class Remote(Sandbox):
    """A deployment that runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, runtime: Any) -> None:
        self._loop = loop
        self._runtime = runtime

    def put(self, files: Files) -> None:
        for name, text in files.items():
            self._wait(self._runtime.write_file(WriteFileRequest(path=f"{FOLDER}/{name}", content=text)))

    def run(self, command: str) -> Ran:
        ran = self._wait(self._runtime.execute(Command(command=shlex.split(command), cwd=FOLDER)))
        return Ran(ran.exit_code, ran.stdout + ran.stderr)

    def run_limited(self, program: str) -> str:
        command = Command(command=["python3", program], cwd=FOLDER, timeout=LIMIT_SECONDS)
        try:
            ran = self._wait(self._runtime.execute(command))
        except CommandTimeoutError as error:
            return type(error).__name__
        raise NotStopped(f"{program} ended by itself: {ran}")

    def open_bash(self) -> None:
        """Start the session that `Bash` uses."""
        self._wait(self._runtime.create_session(CreateBashSessionRequest()))

    def _wait(self, action: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(action)


class Bash(Remote):
    """A deployment whose commands go through its one bash session."""

    def run(self, command: str) -> Ran:
        action = BashAction(command=f"cd {FOLDER} && {command}", check="silent")
        ran = self._wait(self._runtime.run_in_session(action))
        return Ran(ran.exit_code, ran.output)


def prepare() -> Peer:
    image, label = sys.argv[1:]
    loop = asyncio.new_event_loop()
    kept: list[Deployment] = []

    def started() -> Deployment:
        deployment = Deployment(
            image=image, pull="never", docker_args=["--label", label], startup_timeout=30.0
        )
        loop.run_until_complete(deployment.start())
        return deployment

    @contextmanager
    def fresh() -> Iterator[Sandbox]:
        deployment = started()
        try:
            yield Remote(loop, deployment.runtime)
        finally:
            loop.run_until_complete(deployment.stop())

    def warm(kind: type[Remote] = Remote) -> AbstractContextManager[Sandbox]:
        if not kept:
            kept.append(started())
            Remote(loop, kept[0].runtime).open_bash()
        return nullcontext(kind(loop, kept[0].runtime))

    def close() -> None:
        for deployment in kept:
            loop.run_until_complete(deployment.stop())
        loop.close()

    modes = {
        "fresh": Mode(fresh),
        "warm": Mode(warm),
        "warm, one call": Mode(warm, one_call=True),
        "warm, bash session": Mode(lambda: warm(Bash)),
    }
    return Peer(version("swe-rex"), modes, close, NOTES)


if __name__ == "__main__":
    serve(prepare)
