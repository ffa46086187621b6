"""What a check is: a job for a box, and a pure reading of how it went."""

from __future__ import annotations

from typing import Protocol

from lmac.evaluation import CheckResult, Finding, Verdict, in_words
from lmac_sandbox import Ending, Job, JobResult, Reuse


class Check(Protocol):
    """One check of the evaluator. Source: L2MAC, section 3.3 (the evaluator E)."""

    @property
    def name(self) -> str: ...

    @property
    def gates(self) -> bool:
        """Whether the checks after it are pointless when it does not pass."""
        ...

    @property
    def reuse(self) -> Reuse:
        """RUN only when it loads neither code nor configuration from the store."""
        ...

    def job(self) -> Job:
        """What runs in the box, on a copy of the store."""
        ...

    def judge(self, result: JobResult) -> CheckResult:
        """The verdict, from what came back; anything unexpected is no pass."""
        ...


def broken_off(check: str, result: JobResult, ending: Ending | None = None) -> CheckResult:
    """The verdict on a check that did not come to its end; its last words are the finding."""
    ending = ending or result.ending
    words = result.same_for_all_boxes(result.stderr.text().strip() or result.stdout.text().strip())
    how = f"signal {result.signal}" if result.ending is Ending.SIGNALLED else in_words(ending)
    text = f"{how}\n{words[-2000:]}" if words else how
    return CheckResult(check, Verdict.BROKEN_OFF, ending, (Finding("", text),), seconds=result.seconds)
