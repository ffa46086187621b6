"""The test check: a pytest session, judged by the events of its own channel and never by its output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lmac.checks.check import broken_off
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac_sandbox import Ending, Job, JobResult, Reuse

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
_TEMPORARY = re.compile(r"/scratch/(?:tmp|home)/[^\s'\"]*")

NO_TESTS_COLLECTED = 5
"""pytest's own exit code."""


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
        return judge_session(self.name, result)


def judge_session(check: str, result: JobResult) -> CheckResult:
    """The verdict on a pytest session."""
    outcomes = [event for event in result.events if event["kind"] == "test"]
    passed = sum(event["outcome"] == "passed" for event in outcomes)
    findings = tuple(_findings(result.events))
    if result.ending is not Ending.EXITED:
        broken = broken_off(check, result)
        return CheckResult(
            check,
            Verdict.BROKEN_OFF,
            result.ending,
            (*broken.findings, *findings),
            passed,
            len(outcomes) - passed,
            result.seconds,
        )
    findings = (*findings, *_never_run(result.events))
    verdict = _verdict(result, passed, findings)
    failed = len(findings)
    return CheckResult(check, verdict, result.ending, findings, passed, failed, result.seconds)


def _verdict(result: JobResult, passed: int, findings: tuple[Finding, ...]) -> Verdict:
    if findings:
        return Verdict.FAILED
    if result.exit_code == NO_TESTS_COLLECTED or not passed:
        return Verdict.NOTHING_TO_JUDGE
    return Verdict.PASSED if result.exit_code == 0 else Verdict.FAILED


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


def canonical(text: str) -> str:
    """A failure's text without what differs between two runs of the same failure."""
    return _TEMPORARY.sub("/scratch/tmp/...", _ADDRESS.sub("0x...", text))
