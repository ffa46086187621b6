"""A peer's driver, running in the peer's own environment."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.peers.environments import PEERS_FOLDER, provide
from bench.peers.job import Took

TESTS = Path(__file__).parents[2]
ANSWER_SECONDS = 120.0
LEAVE_SECONDS = 60.0


class DriverFailed(Exception):
    """A driver did not start, did not answer in time, or says that the peer failed."""


class Driver:
    """Sends orders and reads answers; the protocol stands in `drivers.serve`."""

    def __init__(self, peer: str, image: str, label: str) -> None:
        python = provide(peer).absolute()
        self.log = PEERS_FOLDER / peer / "driver.log"
        module = f"bench.peers.drivers.{peer.replace('-', '_')}_client"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                (str(python), "-m", module, image, label),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(TESTS)},
            )
        try:
            hello = self._answer()
        except BaseException:
            self.close()
            raise
        self.version = str(hello["version"])
        self.modes = tuple(map(str, hello["modes"]))
        self.notes = tuple(map(str, hello["notes"]))

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let it take down what it keeps, and wait for that."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def sample(self, mode: str, files: Mapping[str, str]) -> Took:
        """Do the job once.

        Raises:
            DriverFailed: it was not done.
        """
        return Took(**self._ask({"do": "sample", "mode": mode, "files": files}))

    def facts(self, mode: str, probes: Mapping[str, str]) -> Mapping[str, Any]:
        """What the probes see in the peer's sandbox.

        Raises:
            DriverFailed: they did not run.
        """
        return self._ask({"do": "facts", "mode": mode, "files": probes})

    def _ask(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise DriverFailed(f"it is gone; {self.log} says why") from error
        answer = self._answer()
        if "error" in answer:
            raise DriverFailed(str(answer["error"]))
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        # One answer is one line, written at once: what can be read is all of it.
        if not select.select([self._process.stdout], [], [], ANSWER_SECONDS)[0]:
            raise DriverFailed(f"no answer within {ANSWER_SECONDS:.0f} s; {self.log} may say why")
        line = self._process.stdout.readline()
        if not line:
            raise DriverFailed(f"it ended without an answer; {self.log} says why: {_last_line(self.log)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _last_line(log: Path) -> str:
    return log.read_text("utf-8", "replace").strip().rpartition("\n")[2][:500]
