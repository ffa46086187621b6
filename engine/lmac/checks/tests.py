"""The test check: a pytest session, judged by the events of its own channel and never by its output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from lmac.checks.check import broken_off
from lmac.evaluation import CheckResult, Finding, JudgedTest, Verdict
from lmac_sandbox import Ending, Job, JobResult, NoticeKind, Reading, Reuse

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
_TEMPORARY = re.compile(r"/scratch/(?:tmp|home)/[^\s'\"]*")

NO_TESTS_COLLECTED = 5
"""pytest's own exit code."""
MOST_TESTS = 500
"""Outcomes that a result keeps one by one."""
SHOWN_IDS = 10


@dataclass(frozen=True, slots=True)
class TestCheck:
    """Runs every test of the store.

    No tests, a skipped or excused one, or a session without an end: none is a pass.
    """

    __test__ = False
    wall_seconds: float | None = None
    """None: the box's own limit."""
    name: str = "tests"
    gates: bool = False
    reuse: Reuse = Reuse.SINGLE_USE

    def job(self) -> Job:
        return Job.pytest(("-q", "--tb=short", "."), wall_seconds=self.wall_seconds)

    def judge(self, result: JobResult) -> CheckResult:
        return judge_session(self.name, result)


@dataclass(frozen=True, slots=True)
class AcceptanceCheck:
    """Runs the user's own suite, which the model never saw, against a copy of the store."""

    name: str = "acceptance"
    gates: bool = False
    reuse: Reuse = Reuse.SINGLE_USE
    wall_seconds: float | None = None

    def job(self) -> Job:
        arguments = ("-q", "--tb=short", "--import-mode=importlib", ".")
        return Job.pytest(arguments, working_folder="suite", wall_seconds=self.wall_seconds)

    def judge(self, result: JobResult) -> CheckResult:
        return judge_session(self.name, result, suite_is_trusted=True)


def judge_session(check: str, result: JobResult, suite_is_trusted: bool = False) -> CheckResult:
    """The verdict on a pytest session; always claimed, for a test process can patch itself.

    A pass needs an end that the session told and its exit confirms, at least one passed result for every test
    function that the files promise, and no result but passed ones. Tests beyond that reading are named.

    Args:
        suite_is_trusted: The user's own: its hooks and settings are meant.
    """
    findings = tuple(_findings(result.events))
    notices = () if suite_is_trusted or result.reading is None else tuple(_told_by_reading(result))
    outcomes = _outcomes(result.events)
    passed = sum(outcome.outcome == "passed" for outcome in outcomes)
    if result.ending is not Ending.EXITED or result.reading is None:
        verdict, ending = Verdict.BROKEN_OFF, _broken_ending(result)
        findings = (*broken_off(check, result, ending).findings, *notices, *findings)
        failed = len(outcomes) - passed
    else:
        ending = Ending.EXITED
        missing = (*_never_run(result.events), *_never_seen(result.reading, result.events))
        findings = (*findings, *missing, *notices, *_beyond(result.reading, result.events))
        failed = sum(finding.blocking for finding in findings)
        verdict = _verdict(result, passed, failed)
    return CheckResult(
        check,
        verdict,
        ending,
        findings,
        passed,
        failed,
        result.seconds,
        claimed=True,
        tests=most_telling(outcomes),
    )


def _broken_ending(result: JobResult) -> Ending:
    """Without a reading nothing can be compared, whatever the session says of itself."""
    return Ending.INCOMPLETE if result.ending is Ending.EXITED else result.ending


def most_telling(outcomes: Iterable[JudgedTest]) -> tuple[JudgedTest, ...]:
    """What did not pass, then the slowest; at most `MOST_TESTS`."""
    ordered = sorted(outcomes, key=lambda test: (test.outcome == "passed", -test.seconds))
    return tuple(ordered[:MOST_TESTS])


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


def _findings(events: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    for event in events:
        match event["kind"]:
            case "test" if event["outcome"] != "passed":
                text = f"{event['outcome']}\n{canonical(event['text'])}".rstrip()
                yield Finding(event["id"], text)
            case "collect_error":
                yield Finding(event["id"] or "collection", f"cannot be collected\n{canonical(event['text'])}")
            case "deselected":
                yield from (Finding(name, "deselected") for name in event["ids"])
            case "interrupted":
                yield Finding("session", f"broken off: {canonical(event['text'])}")
            case _:
                continue


def _never_run(events: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    """Collected tests without an outcome: a hook of the store can swallow one and still exit with 0."""
    ran = {event["id"] for event in events if event["kind"] in ("test", "collect_error")}
    for event in events:
        if event["kind"] == "collected":
            yield from (Finding(name, "collected and never run") for name in event["ids"] if name not in ran)


def _never_seen(reading: Reading, events: Sequence[Mapping[str, Any]]) -> Iterable[Finding]:
    """Promised test functions that the session says nothing of, and a promise too long to compare."""
    if reading.ids_left_out:
        text = f"{reading.ids_left_out} test functions more than are compared one by one: write fewer"
        yield Finding("session", text)
    seen = {_function_of(name) for event in events for name in _ids(event)}
    # A file or class that cannot be collected has its own finding; its tests would only repeat that.
    failed_whole = {event["id"] for event in events if event.get("outcome", "passed") != "passed"}
    failed_whole |= {event["id"] for event in events if event["kind"] == "collect_error"}
    for name in reading.expected_ids:
        if name not in seen and not _is_within(name, failed_whole):
            yield Finding(name, "expected by reading the file, never ran")


def _beyond(reading: Reading, events: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    """Inherited, generated and imported tests: counted and named, no fault."""
    expected = set(reading.expected_ids)
    # A file that is skipped whole has its own finding and no function in its id.
    ran = [event["id"] for event in events if event["kind"] == "test" and "::" in event["id"]]
    more = [name for name in ran if _function_of(name) not in expected]
    if more:
        shown = ", ".join(more[:SHOWN_IDS])
        yield Finding("session", f"{len(more)} ids beyond the static reading: {shown}", blocking=False)


def _ids(event: Mapping[str, Any]) -> Sequence[str]:
    """What the event accounts for; a deselected or never run test is named by its own finding."""
    match event["kind"]:
        case "test":
            return (event["id"],)
        case "collected" | "deselected":
            return tuple(event["ids"])
        case _:
            return ()


def _function_of(identity: str) -> str:
    """`path.py::test_x` of `path.py::test_x[a]`."""
    bracket = identity.find("[", identity.find(".py::") + 1)
    return identity if bracket < 0 else identity[:bracket]


def _is_within(identity: str, wholes: set[str]) -> bool:
    """Whether one of its folders, its file or one of its classes is among them, or "" for everything."""
    if "" in wholes:
        return True
    cuts = [place for mark in ("/", "::") for place in _places(identity, mark)]
    return any(identity[:cut] in wholes for cut in cuts)


def _places(text: str, mark: str) -> Iterable[int]:
    place = text.find(mark)
    while place >= 0:
        yield place
        place = text.find(mark, place + 1)


def _told_by_reading(result: JobResult) -> Iterable[Finding]:
    """Notices as findings; which kinds block stands in `lmac_sandbox.NoticeKind`'s table."""
    assert result.reading is not None
    uncollected = {event["id"] for event in result.events if event["kind"] == "collect_error"}
    for notice in result.reading.notices:
        where = f"{notice.path}:{notice.line}" if notice.line else notice.path
        match notice.kind:
            case NoticeKind.CHANGES_SESSION | NoticeKind.HIDDEN:
                blocking = True
            case NoticeKind.UNREADABLE:
                # pytest says the same of it, and at more length.
                blocking = notice.path not in uncollected
            case NoticeKind.LEAVES:
                blocking = result.ending is Ending.INCOMPLETE
            case (
                NoticeKind.NO_EFFECT
                | NoticeKind.SHADOWS
                | NoticeKind.SWITCHED_OFF
                | NoticeKind.ASSERTS_NOTHING
                | NoticeKind.SUPPRESSION
            ):
                blocking = False
            case _:
                assert_never(notice.kind)
        if blocking or notice.kind is not NoticeKind.LEAVES:
            yield Finding(where, f"{notice.kind.value.replace('_', ' ')}: {notice.text}", blocking)
    if result.reading.notices_left_out:
        text = f"{result.reading.notices_left_out} more remarks of the reading are left out"
        yield Finding("session", text, blocking=False)


def canonical(text: str) -> str:
    """A failure's text without what differs between two runs of the same failure."""
    return _TEMPORARY.sub("/scratch/tmp/...", _ADDRESS.sub("0x...", text))
