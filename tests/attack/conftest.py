"""The stage of all rows, taken down at the end with proof that nothing is left of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from attack.stage import MAIN, Stage, processes_of
from attack.table import BENIGN
from judged_boxes import LIMITS, Judge, judged_by
from lmac.checks import AcceptanceCheck, AcceptanceForm
from lmac.evaluation import CheckResult
from lmac_sandbox import (
    Box,
    Engine,
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

GONE_SECONDS = 5.0
"""For containers that end by themselves, on a busy machine."""


@pytest.fixture(scope="session")
def stage(engine: Engine, image_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One store and one pool for all rows; each row has a box of its own."""
    owner = Owner.current(f"attack-{secrets.token_hex(4)}")
    limits = StoreLimits()
    with (
        Volume.create(engine, owner, limits) as volume,
        Keeper.start(engine, volume, image_id, owner, limits) as keeper,
        Pool(engine, volume, image_id, owner, Limits(), size=3) as pool,
        pool.take() as neighbour,
        WarmBox(partial(Box.start, engine, volume, image_id, owner, Limits(), reuse=Reuse.RUN)) as warm,
    ):
        keeper.write(MAIN, b"x = 1\n")
        scratch = tmp_path_factory.mktemp("attack")
        staged = Stage(engine, image_id, owner, volume, keeper, pool, warm, scratch, neighbour)
        yield staged
    labels = {name: value for name, value in owner.labels("box").items() if name != "lmac.role"}
    assert engine.containers(labels) == {}
    assert engine.volumes(labels) == {}
    deadline = time.monotonic() + GONE_SECONDS
    while (left := processes_of(staged.boxes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


@pytest.fixture
def box(stage: Stage) -> Iterator[Box]:
    """One that the pool has started already; every test has its own here too."""
    with stage.take() as taken:
        yield taken


@pytest.fixture
def judge_in_box(stage: Stage) -> Judge:
    """As for any other test of acceptance, but with a box of the pool and the store of all rows."""

    def judged(
        files: Mapping[str, str],
        suite: Mapping[str, str],
        form: AcceptanceForm = AcceptanceForm.API,
        wall_seconds: float = LIMITS.wall_seconds,
    ) -> tuple[CheckResult, JobResult]:
        with stage.holding(files), stage.take() as taken:
            return judged_by(AcceptanceCheck(form, wall_seconds), suite, taken)

    return judged


@pytest.fixture(scope="session")
def long_jobs(stage: Stage) -> Iterator[Mapping[str, Future[None]]]:
    """Long honest jobs, begun before the first row, so that nobody waits for them."""
    with ThreadPoolExecutor() as threads:
        yield {row.name: threads.submit(row.act, stage) for row in BENIGN if row.is_long}
