"""What of the task has to be there by now, and which findings are of what comes later."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lmac.evaluation import CheckResult, Report, Verdict
from lmac_sandbox import Ending


@dataclass(frozen=True, slots=True)
class Due:
    """By the end of an instruction."""

    whole: bool = True
    """All of it but tests; before that, what is not there yet is a remark of the standing suites."""
    tests: bool = True
    """Tests too; a later instruction writes them otherwise."""
    later: frozenset[str] = frozenset()
    """Files that are not there because only later instructions write them."""


ALL_DUE = Due()


def of_what_is_due(due: Due, report: Report) -> Report:
    """The report in which a fault of a file that comes later is a remark: nobody could mend it now."""
    if not due.later:
        return report
    return replace(report, results=tuple(_of_what_is_due(due.later, result) for result in report.results))


def _of_what_is_due(later: frozenset[str], result: CheckResult) -> CheckResult:
    if result.verdict is not Verdict.FAILED or result.ending is not Ending.EXITED or result.counts_tests:
        return result
    findings = tuple(
        replace(finding, blocking=False) if finding.where.partition(":")[0] in later else finding
        for finding in result.findings
    )
    if findings == result.findings:
        return result
    is_red = any(finding.blocking for finding in findings)
    return replace(result, findings=findings, verdict=Verdict.FAILED if is_red else Verdict.PASSED)
