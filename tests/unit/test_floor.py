"""Tests that passed when a run began have to go on passing, whatever else the report says."""

from __future__ import annotations

from lmac.evaluation import CheckResult, JudgedTest, Report, Verdict
from lmac.evaluation.floor import FLOOR, MOST_FINDINGS, broken_floor, upon_floor
from lmac_sandbox import Ending


def report(*tests: tuple[str, str], digest: str = "d", named: bool = True) -> Report:
    """A session with these tests and outcomes; without names, they are only counted."""
    judged = tuple(JudgedTest(name, outcome, 0.1) for name, outcome in tests)
    passed = sum(outcome == "passed" for _, outcome in tests)
    verdict = Verdict.PASSED if passed == len(tests) else Verdict.FAILED
    syntax = CheckResult("syntax", Verdict.PASSED, Ending.EXITED)
    own = CheckResult(
        "tests",
        verdict,
        Ending.EXITED,
        passed_count=passed,
        failed_count=len(tests) - passed,
        counts_tests=True,
        tests=judged if named else (),
    )
    return Report(digest, (syntax, own))


FLOOR_REPORT = report(("a", "passed"), ("b", "passed"), ("c", "failed"))


def test_a_test_that_is_gone_failed_or_skipped_breaks_the_floor() -> None:
    for now, told in (
        (report(("a", "passed"), ("c", "passed")), "this test is gone: put it back"),
        (report(("a", "passed"), ("b", "failed")), "this test is failed now"),
        (report(("a", "passed"), ("b", "skipped")), "this test is skipped now"),
    ):
        found = broken_floor(FLOOR_REPORT, now)
        assert [(finding.where, finding.text.split(";")[0]) for finding in found] == [("b", told)]
        assert found[0].blocking


def test_a_test_that_failed_from_the_beginning_is_not_of_the_floor() -> None:
    assert broken_floor(FLOOR_REPORT, report(("a", "passed"), ("b", "passed"))) == ()


def test_tests_without_names_are_compared_by_number() -> None:
    floor = report(("a", "passed"), ("b", "passed"), named=False)

    assert broken_floor(floor, report(("x", "passed"), ("y", "passed"), ("z", "failed"), named=False)) == ()
    (fault,) = broken_floor(floor, report(("x", "passed"), named=False))
    assert "1 tests pass; 2 passed when the run began" in fault.text


def test_the_report_bears_the_floors_own_verdict() -> None:
    held = upon_floor(FLOOR_REPORT, report(("a", "passed"), ("b", "passed"), ("new", "passed")))
    broken = upon_floor(FLOOR_REPORT, report(("a", "passed"), ("new", "passed")))

    assert held.green
    assert not broken.green
    floor = broken.result(FLOOR)
    assert floor is not None
    assert (floor.verdict, floor.passed_count, floor.failed_count) == (Verdict.FAILED, 1, 1)


def test_without_a_floor_or_without_a_session_the_report_stays_as_it_is() -> None:
    now = report(("a", "passed"))
    gated = Report("d", now.results[:1])

    assert upon_floor(None, now) is now
    assert upon_floor(report(("a", "failed")), now) is now
    assert upon_floor(FLOOR_REPORT, gated) is gated


def test_a_floor_that_breaks_whole_is_told_in_few_words() -> None:
    floor = report(*((f"t{number}", "passed") for number in range(300)))
    broken = upon_floor(floor, report(("t0", "passed"), ("new", "passed"))).result(FLOOR)

    assert broken is not None
    assert (len(broken.findings), broken.failed_count) == (MOST_FINDINGS + 1, 299)
