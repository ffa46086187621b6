"""The syntax check: every Python file is compiled, none is executed."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lmac.checks.check import broken_off
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac_sandbox import Ending, Job, JobResult, Reuse, printable_text


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid")
    path: str
    line: int
    text: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    files: int = Field(ge=0)
    faults: list[_Fault]


_ANSWER = TypeAdapter(_Answer)


@dataclass(frozen=True, slots=True)
class SyntaxCheck:
    """Compiles each `.py` file in the box; it gates, for what does not compile fails everywhere."""

    name: str = "syntax"
    gates: bool = True
    reuse: Reuse = Reuse.RUN

    def job(self) -> Job:
        return Job(("/usr/bin/python3", "-I", "-B", "/opt/lmac/inside/start.py", "syntax"))

    def judge(self, result: JobResult) -> CheckResult:
        if result.ending is not Ending.EXITED:
            return broken_off(self.name, result)
        if result.exit_code != 0:
            return broken_off(self.name, result, Ending.INCOMPLETE)
        try:
            answer = _ANSWER.validate_json(result.stdout.text())
        except ValidationError:
            return broken_off(self.name, result, Ending.INCOMPLETE)
        findings = tuple(
            Finding(f"{fault.path}:{fault.line}", printable_text(fault.text)) for fault in answer.faults
        )
        return CheckResult(
            self.name,
            _verdict(answer),
            result.ending,
            findings,
            passed_count=answer.files - len({fault.path for fault in answer.faults}),
            failed_count=len({fault.path for fault in answer.faults}),
            seconds=result.seconds,
        )


def _verdict(answer: _Answer) -> Verdict:
    if answer.faults:
        return Verdict.FAILED
    return Verdict.PASSED if answer.files else Verdict.NOTHING_TO_JUDGE
