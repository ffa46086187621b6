"""The lint check: ruff with our own configuration; the store's is never read."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, TypeAdapter, ValidationError

from lmac.checks.check import broken_off
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac_sandbox import Ending, Job, JobResult, Reuse, printable_text

BLOCKING_RULES = ("E9", "F63", "F7", "F82", "F402", "F404", "F622", "F811")
"""What makes a program wrong: errors of syntax, undefined names, misused operators, shadowed definitions."""

ADVISORY_RULES = ("F401", "F541", "F841")
"""What makes it untidy: shown to the model, closes nothing."""


USAGE_ERROR = 2
"""ruff's exit code for options that it does not know; with --exit-zero, files never cause it."""


class _Location(BaseModel):
    row: int


class _Diagnostic(BaseModel):
    code: str | None
    filename: str
    message: str
    location: _Location


_DIAGNOSTICS = TypeAdapter(list[_Diagnostic])


@dataclass(frozen=True, slots=True)
class LintCheck:
    """Runs ruff and reads its JSON."""

    blocking_rules: tuple[str, ...] = BLOCKING_RULES
    advisory_rules: tuple[str, ...] = ADVISORY_RULES
    name: str = "lint"
    gates: bool = False
    reuse: Reuse = Reuse.RUN

    def job(self) -> Job:
        rules = ",".join((*self.blocking_rules, *self.advisory_rules))
        # Without an exclusion of ours, ruff passes over folders named build, dist, venv and others.
        options = ("--isolated", "--no-cache", "--no-respect-gitignore", "--ignore-noqa", "--exit-zero")
        scope = ("--exclude", "nothing-is-excluded", "--select", rules)
        return Job(("/usr/bin/ruff", "check", *options, *scope, "--output-format", "json", "."))

    def judge(self, result: JobResult) -> CheckResult:
        if result.ending is not Ending.EXITED:
            return broken_off(self.name, result)
        if result.exit_code == USAGE_ERROR:
            # Ours or the config's, never the model's: it could correct nothing.
            said = result.stderr.text().strip()[-300:]
            raise SandboxFailure(f"ruff refuses its options: {said}", "correct `lint` in the config")
        if result.exit_code != 0:
            return broken_off(self.name, result, Ending.INCOMPLETE)
        try:
            diagnostics = _DIAGNOSTICS.validate_json(result.stdout.text())
        except ValidationError:
            return broken_off(self.name, result, Ending.INCOMPLETE)
        findings = tuple(self._finding(diagnostic) for diagnostic in diagnostics)
        failed = sum(finding.blocking for finding in findings)
        verdict = Verdict.FAILED if failed else Verdict.PASSED
        return CheckResult(
            self.name, verdict, result.ending, findings, failed_count=failed, seconds=result.seconds
        )

    def _finding(self, diagnostic: _Diagnostic) -> Finding:
        path = diagnostic.filename.removeprefix("/scratch/subject/")
        code = diagnostic.code or "syntax"
        # As ruff itself reads it: the longest prefix decides.
        blocking = _longest(code, self.blocking_rules) >= _longest(code, self.advisory_rules)
        hint = " (define it, or import it from its module)" if code == "F821" else ""
        return Finding(
            f"{path}:{diagnostic.location.row}",
            f"{code} {printable_text(diagnostic.message)}{hint}",
            blocking,
        )


def _longest(code: str, rules: tuple[str, ...]) -> int:
    """Length of the longest rule that the code begins with; 0 for none."""
    return max((len(rule) for rule in rules if code.startswith(rule)), default=0)
