"""A pytest session, judged by its own channel and by the reading of its files, never by its output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from lmac.checks.check import broken_off
from lmac.checks.promises import beyond, never_run, never_seen, told_by_reading
from lmac.evaluation import (
    MOST_PROMISED,
    CheckResult,
    FileCoverage,
    Finding,
    JudgedTest,
    PromisedTest,
    Verdict,
)
from lmac_sandbox import Ending, JobResult

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
_OBJECT = re.compile(r"\bat 0x[0-9a-f]{6,16}\b")
_TEMPORARY = re.compile(r"/scratch/(?:tmp|home)/[^\s'\"]*")
_DURATION = re.compile(r"\bin \d{1,9}\.\d{1,9} ?s\b")
"""As pytest and others close their last words."""

NO_TESTS_COLLECTED = 5
"""pytest's own exit code."""
MOST_TESTS = 500
"""Outcomes that a result keeps one by one."""
MOST_FINDINGS = 300


def judge_session(
    check: str, result: JobResult, suite_is_trusted: bool = False, placeholders_block: bool = True
) -> CheckResult:
    """The verdict on a pytest session; always claimed, for a test process can patch itself.

    A pass needs an end that the session told and its exit confirms, at least one passed result for every test
    function that the files promise, and no result but passed ones. Tests beyond that reading are named.

    Args:
        suite_is_trusted: The user's own: its hooks and settings are meant.
        placeholders_block: Whether functions that are not written keep the files from being complete.
    """
    findings = tuple(_findings(result))
    is_told = result.reading is not None and not suite_is_trusted
    notices = tuple(told_by_reading(result, placeholders_block)) if is_told else ()
    outcomes = _outcomes(result.events)
    passed = sum(outcome.outcome == "passed" for outcome in outcomes)
    if result.ending is not Ending.EXITED or result.reading is None:
        verdict, ending = Verdict.BROKEN_OFF, _broken_ending(result)
        findings = (*broken_off(check, result, ending).findings, *notices, *findings)
        failed = len(outcomes) - passed
    else:
        ending = Ending.EXITED
        missing = (*never_run(result.events), *never_seen(result.reading, result.events))
        findings = (*findings, *missing, *notices, *beyond(result.reading, result.events))
        failed = sum(finding.blocking for finding in findings)
        verdict = _verdict(result, passed, failed)
    return CheckResult(
        check,
        verdict,
        ending,
        _first(findings),
        passed,
        failed,
        counts_tests=True,
        seconds=result.seconds,
        claimed=True,
        tests=most_telling(outcomes),
        coverage=tuple(_coverage(result.events)),
        promised=_promised(result) if is_told else (),
    )


def _promised(result: JobResult) -> tuple[PromisedTest, ...]:
    assert result.reading is not None
    counted = zip(result.reading.expected_ids, result.reading.assertions, strict=False)
    return tuple(PromisedTest(*one) for one in islice(counted, MOST_PROMISED))


def _broken_ending(result: JobResult) -> Ending:
    """Without a reading nothing can be compared, whatever the session says of itself."""
    return Ending.INCOMPLETE if result.ending is Ending.EXITED else result.ending


def _first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Faults before remarks when there are too many; how many are left out is a finding."""
    if len(findings) <= MOST_FINDINGS:
        return findings
    kept = sorted(findings, key=lambda finding: not finding.blocking)[:MOST_FINDINGS]
    return (*kept, Finding("session", f"{len(findings) - len(kept)} findings more are left out"))


def most_telling(outcomes: Iterable[JudgedTest]) -> tuple[JudgedTest, ...]:
    """What did not pass, then the others, each as they ran; at most `MOST_TESTS`.

    Durations have no say: which tests of many are kept would differ between two runs of the same files.
    """
    return tuple(sorted(outcomes, key=lambda test: test.outcome == "passed")[:MOST_TESTS])


def _verdict(result: JobResult, passed: int, failed: int) -> Verdict:
    if failed:
        return Verdict.FAILED
    if result.exit_code == NO_TESTS_COLLECTED or not passed:
        return Verdict.NOTHING_TO_JUDGE
    return Verdict.PASSED if result.exit_code == 0 else Verdict.FAILED


def _outcomes(events: Iterable[Mapping[str, Any]]) -> list[JudgedTest]:
    return [
        JudgedTest(event["id"], event["outcome"], round(event["seconds"], 4))
        for event in events
        if event["kind"] == "test"
    ]


def _coverage(events: Iterable[Mapping[str, Any]]) -> Iterable[FileCoverage]:
    for event in events:
        if event["kind"] == "coverage":
            missing = tuple(event["missing"])
            yield FileCoverage(event["path"], event["statements"], event["missed"], missing)


def _findings(result: JobResult) -> Iterable[Finding]:
    def shown(text: str) -> str:
        return canonical(result.same_for_all_boxes(text))

    for event in result.events:
        match event["kind"]:
            case "test" if event["outcome"] != "passed":
                text = f"{event['outcome']}\n{shown(event['text'])}".rstrip()
                yield Finding(event["id"], text)
            case "collect_error":
                yield Finding(event["id"] or "collection", f"cannot be collected\n{shown(event['text'])}")
            case "deselected":
                yield from (Finding(name, "deselected") for name in event["ids"])
            case "interrupted":
                yield Finding("session", f"broken off: {shown(event['text'])}")
            case _:
                continue


def canonical(text: str) -> str:
    """A failure's text without what differs between two runs of the same failure."""
    return _DURATION.sub("in ... s", _TEMPORARY.sub("/scratch/tmp/...", _ADDRESS.sub("0x...", text)))


def canonical_output(text: str) -> str:
    """What a program printed, without what differs between two runs of it; numbers that it means stay."""
    return _TEMPORARY.sub("/scratch/tmp/...", _OBJECT.sub("at 0x...", text))
