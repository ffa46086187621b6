"""What every driver is: it takes orders as JSON lines and answers each with one. Standard library only.

Orders: `{"do": "sample", "mode": ..., "files": {name: text}}`, `{"do": "facts", "mode": ..., "files": ...}`;
the end of the input ends it. Everything else that is printed goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from bench.peers.job import COMMANDS, Ran, Took, demand_green, joined, split

Files = Mapping[str, str]
LIMIT_SECONDS = 2


class NotStopped(Exception):
    """A program that never ends did, so nothing was learnt about the time limit."""


class Sandbox(ABC):
    """A peer's sandbox, used as the peer's documents say."""

    @abstractmethod
    def put(self, files: Files) -> None:
        """Write files into the working folder."""

    @abstractmethod
    def run(self, command: str) -> Ran:
        """Run one command there."""

    def run_limited(self, program: str) -> str | None:
        """Run a Python program of the working folder for at most `LIMIT_SECONDS`, and say how that ended.

        Returns:
            None when the peer offers no time limit.
        """
        return None

    def judge(self, files: Files) -> list[Ran]:
        """The job, a call a command."""
        self.put(files)
        return [self.run(command) for command in COMMANDS]

    def judge_in_one_call(self, files: Files) -> list[Ran]:
        """The job with a shell of the sandbox doing all of it."""
        self.put(files)
        return split(self.run(f"sh -c '{joined()}'").output)


@dataclass(frozen=True, slots=True)
class Mode:
    """One way of using a peer."""

    sandbox: Callable[[], AbstractContextManager[Sandbox]]
    one_call: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """What a driver drives."""

    version: str
    modes: Mapping[str, Mode]
    close: Callable[[], None] = lambda: None
    notes: tuple[str, ...] = field(default=())
    """What is set otherwise than by default, or was not run, and why."""


def serve(prepare: Callable[[], Peer]) -> None:
    """Answer orders until the input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Some peers print; that must not mix with the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    peer = prepare()
    try:
        _say(answers, {"version": peer.version, "modes": list(peer.modes), "notes": peer.notes})
        for line in sys.stdin:
            _say(answers, obey(peer, json.loads(line)))
    finally:
        peer.close()


def _say(answers: IO[str], answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def obey(peer: Peer, order: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out one order; `{"error": ...}` when the peer does not."""
    mode = peer.modes[order["mode"]]
    try:
        return (
            _facts(mode, order["files"]) if order["do"] == "facts" else asdict(_sample(mode, order["files"]))
        )
    except Exception as error:  # noqa: BLE001  # Whatever a peer raises is a line of the results.
        return {"error": f"{type(error).__name__}: {error}"[:2000]}


def _sample(mode: Mode, files: Files) -> Took:
    started = time.perf_counter()
    with mode.sandbox() as sandbox:
        demand_green(sandbox.judge_in_one_call(files) if mode.one_call else sandbox.judge(files))
        until_result = time.perf_counter() - started
    return Took(until_result, time.perf_counter() - started)


def _facts(mode: Mode, probes: Files) -> dict[str, Any]:
    with mode.sandbox() as sandbox:
        sandbox.put(probes)
        seen: dict[str, Any] = json.loads(sandbox.run("python3 facts.py").output)
        seen["after_time_limit"] = sandbox.run_limited("stubborn.py")
    # What the next user finds.
    with mode.sandbox() as sandbox:
        sandbox.put(probes)
        seen["processes_left"] = int(sandbox.run("python3 left.py").output)
    return seen
