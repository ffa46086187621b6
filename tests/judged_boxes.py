"""Stores judged by suites in boxes of their own, as the tests of acceptance need them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from lmac.checks import AcceptanceCheck, AcceptanceForm
from lmac.evaluation import CheckResult
from lmac_sandbox import Box, Engine, JobResult, Keeper, Limits, Owner, Volume

LIMITS = Limits(wall_seconds=15.0)
Judge = Callable[..., tuple[CheckResult, JobResult]]


@pytest.fixture
def judge_in_box(engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner) -> Judge:
    return judge_in(engine, volume, keeper, image_id, owner)


def judge_in(engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner) -> Judge:
    """Judges files by a suite, both from names to texts; each call has a box of its own."""

    def judged(
        files: Mapping[str, str],
        suite: Mapping[str, str],
        form: AcceptanceForm = AcceptanceForm.API,
        limits: Limits = LIMITS,
    ) -> tuple[CheckResult, JobResult]:
        keeper.write_many({path: content.encode() for path, content in files.items()})
        box = Box.start(engine, volume, image_id, owner, limits)
        try:
            return judged_by(AcceptanceCheck(form), suite, box)
        finally:
            box.remove()

    return judged


def judged_by(check: AcceptanceCheck, suite: Mapping[str, str], box: Box) -> tuple[CheckResult, JobResult]:
    """The verdict of a suite, from names to texts, on the store as it is now."""
    box.snapshot()
    box.place({path: content.encode() for path, content in suite.items()}, check.place)
    result = box.run(check.job())
    return check.judge(result), result


def outcomes(result: JobResult) -> dict[str, str]:
    """Test names to outcomes."""
    return {
        event["id"].rpartition("::")[2]: event["outcome"]
        for event in result.events
        if event["kind"] == "test"
    }
