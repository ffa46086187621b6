"""llm-sandbox: a session a job, or sessions over its pool of containers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from llm_sandbox import SandboxBackend, SandboxSession, SupportedLanguage
from llm_sandbox.exceptions import SandboxTimeoutError
from llm_sandbox.pool import PoolConfig, create_pool_manager

from bench.peers.drivers.serve import LIMIT_SECONDS, Files, Mode, NotStopped, Peer, Sandbox, serve
from bench.peers.job import FOLDER, Ran

NOTES = (
    "llm-sandbox: run with skip_environment_setup, since its default (a virtual environment and `pip install "
    "--upgrade pip` in every new container) needs pip and a package index inside.",
    "llm-sandbox: run with stop_signal SIGKILL; it closes a container by SIGTERM otherwise and waits ten "
    "seconds for a first process that does not handle it, such as `sleep`.",
    "llm-sandbox: its interactive session is not run: it executes Python cells in an IPython kernel, where "
    "the job is three commands.",
    "llm-sandbox: its default images are not run: nothing is pulled here.",
)


class Session(Sandbox):
    """An open session."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def put(self, files: Files) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                Path(folder, name).write_text(text)
                self._session.copy_to_runtime(f"{folder}/{name}", f"{FOLDER}/{name}")

    def run(self, command: str) -> Ran:
        ran = self._session.execute_command(command, workdir=FOLDER)
        return Ran(ran.exit_code, ran.stdout + ran.stderr)

    def run_limited(self, program: str) -> str:
        # Only `run` has a time limit, and in a pool it wants the environment that `NOTES` says is skipped.
        python = self._session.python_executable_path
        self.run(f"sh -c 'mkdir -p $(dirname {python}) && ln -sf /usr/bin/python3 {python}'")
        code = f"import runpy; runpy.run_path('{FOLDER}/{program}')"
        try:
            ran = self._session.run(code, timeout=LIMIT_SECONDS)
        except SandboxTimeoutError as error:
            return type(error).__name__
        raise NotStopped(f"{program} ended by itself: {ran}")


def prepare() -> Peer:
    image, label = sys.argv[1:]
    name, value = label.split("=")
    options: dict[str, Any] = {
        "lang": SupportedLanguage.PYTHON,
        "image": image,
        "skip_environment_setup": True,
        "runtime_configs": {
            "command": ["sleep", "infinity"],
            "stop_signal": "SIGKILL",
            "labels": {name: value},
        },
    }
    pools: dict[int | None, Any] = {}

    @contextmanager
    def fresh() -> Iterator[Sandbox]:
        with SandboxSession(backend=SandboxBackend.DOCKER, **options) as session:
            yield Session(session)

    @contextmanager
    def pooled(uses: int | None) -> Iterator[Sandbox]:
        if uses not in pools:
            config = PoolConfig(min_pool_size=1, max_pool_size=1, max_container_uses=uses)
            pools[uses] = create_pool_manager(backend=SandboxBackend.DOCKER, config=config, **options)
        with SandboxSession(pool=pools[uses], lang=SupportedLanguage.PYTHON) as session:
            yield Session(session)

    def close() -> None:
        for pool in pools.values():
            pool.close()

    modes = {
        "fresh": Mode(fresh),
        "pool, each container used once": Mode(lambda: pooled(1)),
        "warm": Mode(lambda: pooled(None)),
        "warm, one call": Mode(lambda: pooled(None), one_call=True),
    }
    return Peer(version("llm-sandbox"), modes, close, NOTES)


if __name__ == "__main__":
    serve(prepare)
