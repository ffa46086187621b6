"""The floor: tests that passed in the folder that a run started from, and have to go on passing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lmac.evaluation import CheckResult, Finding, Report, Verdict
from lmac_sandbox import Ending

FLOOR = "floor"
"""The name under which reports hold it; no check may bear it."""
MOST_FINDINGS = 50


def broken_floor(floor: Report, report: Report) -> tuple[Finding, ...]:
    """One finding for each test of the floor that no longer passes; by number only where names are not kept.

    Args:
        floor: On the store as the run began.
    """
    return tuple(fault for result in floor.results for fault in _broken(result, report.result(result.check)))


def upon_floor(floor: Report | None, report: Report) -> Report:
    """The report with the floor's own verdict; as it is when there is no floor, or a gate kept tests away."""
    held = sum(result.passed_count for result in floor.results if result.counts_tests) if floor else 0
    if floor is None or not held:
        return report
    if any(result.counts_tests and report.result(result.check) is None for result in floor.results):
        return report
    found = broken_floor(floor, report)
    shown = found[:MOST_FINDINGS]
    if len(found) > len(shown):
        shown = (*shown, Finding("", f"and {len(found) - len(shown)} more tests of the floor"))
    verdict = Verdict.FAILED if found else Verdict.PASSED
    own = CheckResult(
        FLOOR,
        verdict,
        Ending.EXITED,
        shown,
        max(held - len(found), 0),
        len(found),
        counts_tests=True,
        claimed=True,
    )
    return replace(report, results=(*report.results, own))


def _broken(floor: CheckResult, now: CheckResult | None) -> Iterator[Finding]:
    if not floor.counts_tests or now is None:
        return
    outcomes = {test.id: test.outcome for test in now.tests}
    # A report keeps the first tests of many: one that it does not name may have passed.
    all_named = len(now.tests) >= now.passed_count + now.failed_count or not now.passed_count
    named = 0
    for test in floor.tests:
        outcome = outcomes.get(test.id, "gone" if all_named else "passed")
        if test.outcome == "passed" and outcome != "passed":
            named += 1
            yield Finding(test.id, f"{_said(outcome)}; it passed when the run began and has to pass again")
    if not named and now.passed_count < floor.passed_count:
        yield Finding(
            floor.check,
            f"{now.passed_count} tests pass; {floor.passed_count} passed when the run began: "
            "put back those that are gone, and correct the code until they pass",
        )


def _said(outcome: str) -> str:
    return "this test is gone: put it back" if outcome == "gone" else f"this test is {outcome} now"
