"""LMAC at the same job, on the same image."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from bench.peers.job import Took
from bench.peers.turns import Sample
from bench.stage import Stage, evaluator_of
from lmac.evaluator import Evaluator
from lmac_sandbox import (
    Box,
    Ending,
    Engine,
    Job,
    JobResult,
    Keeper,
    Limits,
    Owner,
    Pool,
    Reuse,
    StoreLimits,
    Volume,
    WarmBox,
)

LIMIT_SECONDS = 2.0
NEVER_USED = "never-used box"
GRADE_RUN = "grade `run`"
NOTHING_READY = "nothing kept ready"
YARDSTICKS = (NEVER_USED, GRADE_RUN)
"""What the peers are compared to."""


@contextmanager
def contenders(engine: Engine, image_id: str) -> Iterator[Mapping[str, Sample]]:
    """Our modes by name."""
    with (
        staged(engine, image_id) as stage,
        Pool(engine, stage.volume, image_id, stage.owner, Limits()) as pool,
        WarmBox(partial(stage.box, sessions=False, reuse=Reuse.RUN)) as tools,
        WarmBox(partial(stage.box, reuse=Reuse.RUN)) as tests,
    ):
        never_used, reused = evaluator_of(pool, tools), evaluator_of(pool, tools, tests)
        yield {
            NEVER_USED: lambda files: _judged(stage, never_used, files),
            GRADE_RUN: lambda files: _judged(stage, reused, files),
            NOTHING_READY: lambda files: _from_nothing(engine, image_id, files),
        }


def facts(engine: Engine, image_id: str, probes: Mapping[str, str]) -> Mapping[str, Any]:
    """What the probes see in a box.

    Raises:
        AssertionError: a probe did not run as it must.
    """
    with staged(engine, image_id) as stage:
        _write(stage, probes)
        with stage.box() as box:
            box.snapshot()
            seen: dict[str, Any] = json.loads(_printed(box.run(_python("facts.py"))))
            stopped = box.run(_python("stubborn.py", LIMIT_SECONDS))
            assert stopped.ending is Ending.TIMED_OUT, stopped
            left = int(_printed(box.run(_python("left.py"))))
    return seen | {"after_time_limit": str(stopped.ending), "processes_left": left}


@contextmanager
def staged(engine: Engine, image_id: str) -> Iterator[Stage]:
    """An empty store with its keeper on this image."""
    limits = StoreLimits()
    owner = Owner.current(f"bench-{secrets.token_hex(4)}")
    with (
        Volume.create(engine, owner, limits) as volume,
        Keeper.start(engine, volume, image_id, owner, limits) as keeper,
    ):
        yield Stage(engine, image_id, owner, volume, keeper)


def _from_nothing(engine: Engine, image_id: str, files: Mapping[str, str]) -> Took:
    started = time.perf_counter()
    with staged(engine, image_id) as stage, _one_box(stage) as box:
        result = _judged(stage, evaluator_of(box, box), files, started)
    return Took(result.until_result, time.perf_counter() - started)


class _OneBox:
    """A box that serves all checks of one report, cleared before those that execute code."""

    reuse = Reuse.RUN

    def __init__(self, box: Box) -> None:
        self._box = box

    def take(self) -> AbstractContextManager[Box]:
        return nullcontext(self._box)


@contextmanager
def _one_box(stage: Stage) -> Iterator[_OneBox]:
    box = stage.box(reuse=Reuse.RUN)
    try:
        yield _OneBox(box)
    finally:
        box.remove()


def _judged(
    stage: Stage, evaluator: Evaluator, files: Mapping[str, str], started: float | None = None
) -> Took:
    started = time.perf_counter() if started is None else started
    report = evaluator.evaluate(_write(stage, files))
    until_result = time.perf_counter() - started
    assert report.green, report
    return Took(until_result, until_result)


def _write(stage: Stage, files: Mapping[str, str]) -> str:
    return stage.keeper.write_many({name: text.encode() for name, text in files.items()})


def _python(program: str, wall_seconds: float | None = None) -> Job:
    return Job(("/usr/bin/python3", program), wall_seconds)


def _printed(result: JobResult) -> str:
    assert result.exit_code == 0, result
    return result.stdout.text()


def probes() -> dict[str, str]:
    """The programs of `probes`, by name."""
    folder = Path(__file__).parent / "probes"
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("[a-z]*.py"))}
