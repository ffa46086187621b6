"""Suites of the user's that are judged with every evaluation, beside the store's own tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from lmac.checks.acceptance import AcceptanceCheck
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac_sandbox import Ending, Job, JobResult, Reuse

NOT_THERE = "NOT THERE: "
"""By which a suite of ours says that a module or name is missing, at the beginning of a failure's text."""


@dataclass(frozen=True, slots=True)
class StandingSuite:
    """Judged in a fresh box of its own; the model never sees its files."""

    session: AcceptanceCheck
    """How it meets the files; its name is the name in reports."""
    files: Mapping[str, bytes]
    shown: bool = False
    """Whether its findings are shown; else only their number is."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """By test function: what a reader is shown in place of its id."""
    whole: bool = True
    """Whether what is not there yet is a fault."""

    @property
    def name(self) -> str:
        return self.session.name

    @property
    def gates(self) -> bool:
        return False

    @property
    def reuse(self) -> Reuse:
        return Reuse.SINGLE_USE

    @property
    def place(self) -> Literal["suite", "judge"]:
        return self.session.place

    def asked_for(self, whole: bool) -> StandingSuite:
        """The suite as it is judged before the last instruction, or for the whole task."""
        return replace(self, whole=whole)

    def job(self) -> Job:
        return self.session.job()

    def judge(self, result: JobResult) -> CheckResult:
        judged = self.session.judge(result)
        if not self.whole and judged.ending is Ending.EXITED:
            judged = self._so_far(judged)
        return self._titled(judged) if self.shown else _counted(judged)

    def _so_far(self, judged: CheckResult) -> CheckResult:
        """What is not there yet is no fault yet; of a suite that cannot tell, nothing is one."""
        findings = tuple(
            replace(finding, blocking=finding.blocking and bool(self.titles) and not _is_absence(finding))
            for finding in judged.findings
        )
        if any(finding.blocking for finding in findings) or judged.verdict is not Verdict.FAILED:
            return replace(judged, findings=findings)
        return replace(judged, findings=findings, verdict=Verdict.NOT_APPLICABLE)

    def _titled(self, judged: CheckResult) -> CheckResult:
        return replace(
            judged,
            findings=tuple(
                replace(finding, where=self._title(finding.where), text=_without_mark(finding.text))
                for finding in judged.findings
            ),
            tests=tuple(test._replace(id=self._title(test.id)) for test in judged.tests),
        )

    def _title(self, identity: str) -> str:
        return self.titles.get(identity.rpartition("::")[2], identity)


def _is_absence(finding: Finding) -> bool:
    return finding.text.startswith(f"failed\n{NOT_THERE}")


def _without_mark(text: str) -> str:
    """The failure's text alone: the outcome stands beside it."""
    return text.removeprefix("failed\n").removeprefix(NOT_THERE)


def _counted(judged: CheckResult) -> CheckResult:
    """The same verdict without a word of the suite's."""
    if judged.verdict is Verdict.PASSED:
        return replace(judged, findings=(), tests=())
    total = judged.passed_count + judged.failed_count
    text = f"{judged.failed_count} of {total} tests of the user's own do not pass; they are not shown"
    blocking = judged.verdict is not Verdict.NOT_APPLICABLE
    return replace(judged, findings=(Finding("", text, blocking),), tests=())
