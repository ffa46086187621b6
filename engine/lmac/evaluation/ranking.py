"""Which of two states of the files is the better one, by their reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lmac.evaluation import CheckResult, Report, Verdict

STANDING = frozenset({"examples", "acceptance"})
"""Names of the results of the user's own suites."""
_REACHED = frozenset({Verdict.PASSED, Verdict.FAILED, Verdict.NOT_APPLICABLE})


class Rank(NamedTuple):
    """Compared from left to right; the smaller one is the better one."""

    out_of_reach: int
    """Checks that did not come to a verdict, counted down from none: behind a closed gate, broken off, or
    without anything to judge."""
    standing_failures: int
    """Of the user's suites: their word counts for more than that of tests written along."""
    own_failures: int
    missing_files: int
    """That the instruction names and the store does not hold."""


def rank(report: Report, missing_files: int = 0) -> Rank:
    """Of reports of the same checks."""
    reached = sum(result.verdict in _REACHED for result in report.results)
    standing = [result for result in report.results if result.check in STANDING]
    own = [result for result in report.results if result.check not in STANDING]
    return Rank(-reached, sum(map(_failures, standing)), sum(map(_failures, own)), missing_files)


def passed_tests(report: Report) -> int:
    """Tests that passed, the user's and those written along."""
    return sum(result.passed_count for result in report.results if result.counts_tests)


def faults(report: Report) -> tuple[str, ...]:
    """What is wrong, named so that two reports can be compared: by check and place, never by the text."""
    return tuple(_named_faults(report))


@dataclass(frozen=True, slots=True)
class Judged:
    """A state of the files with its report."""

    report: Report
    missing_files: int = 0

    @property
    def rank(self) -> Rank:
        return rank(self.report, self.missing_files)

    @property
    def store_digest(self) -> str:
        return self.report.store_digest

    def is_better_than(self, other: Judged) -> bool:
        """By rank; of two alike by the tests that pass."""
        return (self.rank, -passed_tests(self.report)) < (other.rank, -passed_tests(other.report))

    def breaks(self, before: Judged) -> bool:
        """Whether this state lost what the one before it had: checks that ran, or tests that passed.

        Failures alone do not say so: what is new and half right is more than nothing.
        """
        lost_reach = self.rank.out_of_reach > before.rank.out_of_reach
        return lost_reach or passed_tests(self.report) < passed_tests(before.report)


def _failures(result: CheckResult) -> int:
    if result.verdict in (Verdict.PASSED, Verdict.NOT_APPLICABLE):
        return 0
    if not result.counts_tests:
        return max(sum(finding.blocking for finding in result.findings), 1)
    # A file that cannot be imported is one fault, and all its tests are lost.
    return max(result.failed_count, len(result.promised) - result.passed_count, 1)


def _named_faults(report: Report) -> Iterator[str]:
    for result in report.results:
        if result.verdict in (Verdict.PASSED, Verdict.NOT_APPLICABLE):
            continue
        yield f"{result.check}: {result.verdict.value} {result.ending.value} {result.failed_count}"
        yield from (f"{result.check}: {finding.where}" for finding in result.findings if finding.blocking)
