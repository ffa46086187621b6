"""Recorded runs that are held against themselves: what is the same, what differs and how, what is flaky."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from crashed_runs import Runs, crashes, left_by, random_order
from lmac.errors import Divergence
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac.journal import read_journal
from lmac.recording.audit import FURTHER_TRIES, Audit, What
from lmac.recording.audited_journal import PASSED_OVER, unified_diff
from lmac.recording.parts import Part
from lmac_sandbox import JobResult
from memory_machine import ReadingCheck

SEEDS = (1, 3, 4, 8)


@pytest.fixture
def runs_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Runs]:
    """Runs of a random machine, by its seed."""
    return lambda seed: Runs(monkeypatch, *random_order(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_does_the_same_again_is_identical_and_stays_as_it_was(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, whole, audit = runs_of(seed), tmp_path / "whole", Audit()
    runs.begin(whole)
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}

    assert runs.audit(whole, tmp_path / "scratch", audit)
    assert (audit.differences, audit.flaky) == ([], [])
    recorded = list(read_journal(whole))
    # Jobs are what verdicts and answers were made of.
    left_out = {"job", "box_broken"} | PASSED_OVER
    assert audit.events == sum(event.kind not in left_out for event in recorded)
    assert audit.requests == sum(event.kind == "request" for event in recorded)
    if runs.order.profile.candidates == 1:
        # A report on a chosen candidate is that candidate's.
        judged = (event.data["results"] for event in recorded if "results" in event.data)
        assert audit.verdicts == sum(map(len, judged))
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_was_killed_anywhere_is_identical_as_far_as_its_recording_goes(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, whole = runs_of(seed), tmp_path / "whole"
    runs.begin(whole)
    for number, crash in enumerate(list(crashes(whole, random_cuts=10, seed=seed))[::3]):
        audit, folder = Audit(), left_by(whole, crash, tmp_path / f"died-{number}")
        assert not runs.audit(folder, tmp_path / f"scratch-{number}", audit)
        assert audit.differences == []


def test_a_run_that_was_killed_and_resumed_is_identical(
    tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, whole = runs_of(3), tmp_path / "whole"
    runs.begin(whole)
    for number, crash in enumerate(list(crashes(whole, random_cuts=0, seed=1))[::5]):
        folder, audit = left_by(whole, crash, tmp_path / f"died-{number}"), Audit()
        runs.resume(folder)
        assert runs.audit(folder, tmp_path / f"scratch-{number}", audit)
        assert audit.differences == []


def test_a_verdict_that_differs_names_the_check_and_its_tests(
    tmp_path: Path, runs_of: Callable[[int], Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, audit = runs_of(1), Audit()
    runs.begin(tmp_path / "whole")
    monkeypatch.setattr(ReadingCheck, "judge", _failing(ReadingCheck.judge, count()))
    with pytest.raises(Divergence):
        runs.audit(tmp_path / "whole", tmp_path / "scratch", audit)

    (difference,) = audit.differences
    assert difference.what is What.VERDICT
    assert difference.field == "tests"
    assert difference.recorded.startswith("passed")
    assert difference.now.startswith("failed")
    assert any(line.startswith("tests: test test_") for line in difference.detail)
    assert {"- passed", "+ failed"} <= set(difference.detail)
    assert audit.flaky == []


def test_whoever_keeps_going_hears_of_every_verdict_that_differs(
    tmp_path: Path, runs_of: Callable[[int], Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, audit = runs_of(8), Audit(keep_going=True)
    runs.begin(tmp_path / "whole")
    monkeypatch.setattr(ReadingCheck, "judge", _failing(ReadingCheck.judge, count()))

    # Each was gone past with what was recorded: nothing follows from it.
    assert runs.audit(tmp_path / "whole", tmp_path / "scratch", audit)
    assert len(audit.differences) > 1
    assert {difference.what for difference in audit.differences} == {What.VERDICT}


def test_a_test_that_changes_its_mind_is_named_flaky_and_is_no_difference(
    tmp_path: Path, runs_of: Callable[[int], Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, audit = runs_of(1), Audit()
    runs.begin(tmp_path / "whole")
    monkeypatch.setattr(ReadingCheck, "judge", _failing(ReadingCheck.judge, count(), every=2))

    assert runs.audit(tmp_path / "whole", tmp_path / "scratch", audit)
    assert audit.differences == []
    change = next(change for change in audit.flaky[0].changes if change.aspect == "test")
    assert change.name.startswith("test_")
    assert change.outcomes[:3] == ("passed", "failed", "passed")


def test_of_a_check_with_a_flaky_test_another_one_that_has_changed_is_a_difference() -> None:
    audit = Audit(keep_going=True)
    steady, coin = Part("tests", "test", "steady"), Part("tests", "test", "coin")
    tries = count()
    recorded = {steady: "passed", coin: "passed", Part("tests", ""): "passed"}

    def execute() -> dict[Part, str]:
        outcome = "failed" if next(tries) % 2 == 0 else "passed"
        return {steady: "failed", coin: outcome, Part("tests", ""): "failed"}

    audit.compare(7, "report", What.VERDICT, recorded, execute)

    assert [change.name for change in audit.flaky[0].changes] == ["coin"]
    assert [difference.field for difference in audit.differences] == ["tests: test steady"]
    assert next(tries) == 1 + FURTHER_TRIES


def test_a_prompt_that_differs_is_shown_as_a_diff_of_the_request(
    tmp_path: Path, runs_of: Callable[[int], Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, audit = runs_of(1), Audit()
    runs.begin(tmp_path / "whole")
    task = runs.order.task
    runs.order = replace(runs.order, task=replace(task, text=f"{task.text}\nUse no globals."))
    with pytest.raises(Divergence):
        runs.audit(tmp_path / "whole", tmp_path / "scratch", audit)

    (difference,) = audit.differences
    assert (difference.what, difference.kind) == (What.PROMPT, "request")
    assert "+Use no globals." in difference.detail
    assert difference.detail[:2] == ("--- recorded", "+++ now")


def test_a_decision_that_differs_is_named_and_ends_the_audit(
    tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, audit = runs_of(1), Audit(keep_going=True)
    runs.begin(tmp_path / "whole")
    limits = replace(runs.order.config.machine, turns=1, attempts=1)
    runs.order = replace(runs.order, config=runs.order.config.model_copy(update={"machine": limits}))
    with pytest.raises(Divergence):
        runs.audit(tmp_path / "whole", tmp_path / "scratch", audit)

    assert audit.differences[-1].what is What.DECISION


def test_a_diff_of_long_texts_is_bounded() -> None:
    recorded, now = ([f"{word} {number}" for number in range(100_000)] for word in ("was", "is"))

    lines = list(unified_diff(["the same", *recorded], ["the same", *now]))

    assert lines[2:4] == ["@@ -1,2000 +1,2000 @@", " the same"]
    assert lines[-1] == "..."
    assert len(lines) < 500


def _failing(
    judge: Callable[[ReadingCheck, JobResult], CheckResult], calls: count[int], every: int = 1
) -> Callable[[ReadingCheck, JobResult], CheckResult]:
    """Every so many sessions of tests that passed now fail."""

    def judged(check: ReadingCheck, result: JobResult) -> CheckResult:
        told = judge(check, result)
        if not told.tests or told.verdict is not Verdict.PASSED or next(calls) % every:
            return told
        tests = tuple(test._replace(outcome="failed") for test in told.tests)
        findings = tuple(Finding(test.id, "it does not work any more") for test in tests)
        return replace(told, verdict=Verdict.FAILED, tests=tests, findings=findings)

    return judged
