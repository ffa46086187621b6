"""The acceptance check: the user's own suite, which the model never saw, against a copy of the store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lmac.checks.session import judge_session
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac_sandbox import Job, JobResult, JudgedForm, Reuse

_LAST_WORDS_CHARACTERS = 1000


class AcceptanceForm(StrEnum):
    """How a suite meets the files that it judges."""

    API = "api"
    """It imports their modules through proxies; they run in a process of another user."""
    COMMAND = "command"
    """It runs their programs and asks their servers, from outside."""
    IN_PROCESS = "in-process"
    """It shares one process with them, so that its verdict is their claim."""


class SuiteSettings(BaseModel):
    """`acceptance.yaml` beside the tests of a suite."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: AcceptanceForm = AcceptanceForm.API


@dataclass(frozen=True, slots=True)
class AcceptanceCheck:
    """One session of pytest over the suite."""

    form: AcceptanceForm = AcceptanceForm.API
    wall_seconds: float | None = None
    """None: the box's own limit."""
    name: str = "acceptance"
    gates: bool = False
    reuse: Reuse = Reuse.SINGLE_USE

    @property
    def place(self) -> Literal["suite", "judge"]:
        """Where in the box the suite's files belong."""
        return "suite" if self.form is AcceptanceForm.IN_PROCESS else "judge"

    def job(self) -> Job:
        arguments = ("-q", "--tb=short", "--import-mode=importlib", ".")
        match self.form:
            case AcceptanceForm.IN_PROCESS:
                return Job.pytest(arguments, working_folder="suite", wall_seconds=self.wall_seconds)
            case AcceptanceForm.API:
                return Job.judged(JudgedForm.API, arguments, self.wall_seconds)
            case AcceptanceForm.COMMAND:
                return Job.judged(JudgedForm.COMMAND, arguments, self.wall_seconds)

    def judge(self, result: JobResult) -> CheckResult:
        judged = judge_session(self.name, result, suite_is_trusted=True)
        counts = [event["comparisons"] for event in result.events if event["kind"] == "answered"]
        answered = sum(counts)
        # A judge that came to its end has told the count.
        is_untold = judged.verdict is Verdict.PASSED and not counts
        return replace(
            judged,
            findings=(*judged.findings, *_last_words(judged, result)),
            claimed=self.form is AcceptanceForm.IN_PROCESS or answered > 0 or is_untold,
            form=self.form.value,
            answered_by_subject=answered,
        )


def _last_words(judged: CheckResult, result: JobResult) -> tuple[Finding, ...]:
    """What the judged files wrote beside a failing suite."""
    if judged.verdict is Verdict.PASSED or result.subject_output is None:
        return ()
    words = result.same_for_all_boxes(result.subject_output.text()).strip()[-_LAST_WORDS_CHARACTERS:]
    return (Finding("output of the judged files", words, blocking=False),) if words else ()
