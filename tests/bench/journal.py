"""What a long run leaves on disk, and how long it takes to be where it was."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from bench.figures import Measured, figure, seconds
from bench.stage import connected
from crashed_runs import Crash, Runs, left_by
from lmac.config import RunConfig
from lmac.errors import RunCancelled
from lmac.inputs import load_checks
from lmac.journal import JOURNAL_NAME, PACK_NAME, Event
from lmac.journal.pack import Pack
from lmac.journal.reading import read_lines
from lmac.messages import Finish, Reply, Request, Usage
from lmac.models.profile import ModelProfile
from lmac.program import Task
from lmac.report.verifying import verify_run
from lmac.resuming import resume
from lmac.run import RunOrder
from lmac.run_lock import RunLock
from lmac.run_lock.differences import KNOWN_LATER
from lmac.starting_folder import Start
from random_conversations import WORDS

FILES = 1000
TEST_FILES = 50
TESTS = 4
"""In each of them."""
TURNS = 500
LINES = 60
TIMES = 3


class _Model:
    """Writes one file and reads another in each turn."""

    def __init__(self) -> None:
        self._turn = -1

    def __call__(self, request: Request) -> Reply:
        self._turn += 1
        if self._turn == 0:
            text = "1. Write all of it. (files: all.py)"
        else:
            text = (
                f"Next comes part {self._turn}, and what it needs of another one.\n\n"
                f"FILE: d{self._turn % 50}/new{self._turn}.py\n```\n{_code(self._turn)}```\n\n"
                f"READ d{self._turn % 50}/f{self._turn}.py"
            )
        return Reply(text, Finish.STOP, Usage(sum(len(one.text) for one in request.messages) // 4, 400))


def _code(seed: int) -> str:
    """A module in which no line is like another, but for its words."""
    dice = random.Random(seed)
    lines = [
        f"    {dice.choice(WORDS)}_{dice.randrange(10**4)} = {dice.choice(WORDS)}({dice.randrange(10**6)})\n"
        for _ in range(LINES)
    ]
    return f'"""Part {seed}."""\n\n\ndef part_{seed}() -> None:\n{"".join(lines)}'


@dataclass(frozen=True, slots=True)
class _Long:
    """A run that died in its last turn."""

    folder: Path
    kept_bytes: int
    """Of journal and contents on disk."""
    unique_bytes: int
    """Of all different contents, as they are outside."""


@cache
def _long() -> _Long:
    folder = Path(tempfile.mkdtemp(prefix="lmac-bench-journal-"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        Runs(monkeypatch, _order(), _Model()).begin(folder / "whole")
    lines = list(read_lines(folder / "whole"))
    replies = [number for number, line in enumerate(lines) if line.event.kind == "reply"]
    last = replies[TURNS]
    journal_bytes = sum(len(line.encoded()) for line in lines[: last + 1])
    died = left_by(folder / "whole", Crash(journal_bytes, lines[last + 1].pack_bytes), folder / "died")
    pack = Pack(died, writes=False)
    unique_bytes = sum(place.whole_bytes for place in pack._places.values())
    pack.close()
    return _Long(died, sum((died / name).stat().st_size for name in (JOURNAL_NAME, PACK_NAME)), unique_bytes)


def _order() -> RunOrder:
    config = RunConfig.model_validate(
        {
            "machine": {
                "turns": TURNS + 5,
                "attempts": 1,
                "summaries": False,
                "requirement_tries": 0,
                "stuck_turns": TURNS,
            },
            "most_instructions": 1,
        }
    )
    profile = {
        "name": "bench",
        "protocol": "fenced",
        "context_tokens": 10_000_000,
        "reply_tokens": 2000,
        "seed": 1,
        "server": {"base_url": "http://127.0.0.1:9/v1", "model": "bench"},
    }
    with connected() as (_, image_id):
        return RunOrder(
            task=Task("Write all of it.", "all"),
            config=config,
            profile=ModelProfile.model_validate(profile),
            checks=load_checks(config).checks,
            image_id=image_id,
            folder=Path("set later"),
            start=Start(
                "old",
                {path: content.encode() for path, content in _old_files()},
                (),
            ),
        )


def _old_files() -> Iterator[tuple[str, str]]:
    for number in range(FILES - TEST_FILES):
        yield f"d{number % 50}/f{number}.py", _code(TURNS + 1 + number)
    for number in range(TEST_FILES):
        tests = [f"\n\ndef test_part_{number}_{case}() -> None:\n    assert True\n" for case in range(TESTS)]
        yield f"d{number}/test_{number}.py", f'"""Tests."""\n{"".join(tests)}'


LOCK_PARTS = frozenset(RunLock.model_fields) - {"version", *KNOWN_LATER}


@contextmanager
def _copied() -> Iterator[Path]:
    """The run that died, once more."""
    died = _long().folder
    with tempfile.TemporaryDirectory() as folder:
        sizes = Crash(*((died / name).stat().st_size for name in (JOURNAL_NAME, PACK_NAME)))
        yield left_by(died, sizes, Path(folder) / f"resumed-{time.time_ns()}")


@figure("x", at_most=1.5)
def journal_size() -> Measured:
    """Journal and contents of 500 turns over a store of 1,000 files, against their different contents."""
    long = _long()
    told = f"{long.kept_bytes / 1e6:.1f} MB of {long.unique_bytes / 1e6:.1f} MB"
    return Measured(long.kept_bytes / long.unique_bytes, told)


@figure("s", at_most=3)
def resume_seconds() -> Measured:
    """The same run, from its folder to where it goes on: containers, store and 500 turns included."""
    return Measured(min(_resume_seconds() for _ in range(TIMES)), f"the best of {TIMES}")


def _resume_seconds() -> float:
    taken: list[float] = []
    with _copied() as folder:
        began = time.perf_counter()

        def heard(event: Event) -> None:
            if event.kind == "resumed":
                taken.append(time.perf_counter() - began)
                raise RunCancelled

        # The run was begun in memory, whose lock tells of no engine.
        resume(folder, os.environ, heard, LOCK_PARTS)
    return taken[0]


@figure("s", at_most=1)
def verify_seconds() -> Measured:
    """`lmac verify` of the same run, without starting the interpreter."""
    with _copied() as folder:
        quick = min(seconds(lambda: verify_run(folder, contents=False)) for _ in range(TIMES))
        whole = min(seconds(lambda: verify_run(folder)) for _ in range(TIMES))
    return Measured(whole, f"without reading the contents, as in `lmac show`: {quick:.2f} s")
