"""A check's result in one line for people: what was found, by whose word, and in what box."""

from __future__ import annotations

from lmac.evaluation import CheckResult, Verdict, in_words
from lmac_sandbox import Reuse

CLAIMED_BY_TESTS = "claimed by the tests' own process"
CLAIMED_BY_TOOL = "claimed by a tool that the files may steer"


def worded(result: CheckResult) -> str:
    """All of a result but its findings."""
    answered = result.answered_by_subject
    ended = f": {in_words(result.ending)}" if result.verdict is Verdict.BROKEN_OFF else ""
    notes = (
        counts(result),
        result.form,
        claim(result),
        f"{answered} comparisons answered by the judged files" if answered else "",
        f"{result.covered_percent} % of lines run" if result.covered_percent is not None else "",
        f"box of grade {result.reuse}" if result.reuse is not Reuse.SINGLE_USE else "",
    )
    said = ", ".join(note for note in notes if note)
    return f"{result.verdict.value}{ended}{f' ({said})' if said else ''}"


def counts(result: CheckResult) -> str:
    """How many tests passed and failed; "" of what is no test, and when none was run."""
    if not result.counts_tests or not (result.passed_count or result.failed_count):
        return ""
    return f"{result.passed_count} passed, {result.failed_count} failed"


def claim(result: CheckResult) -> str:
    """Whose word a claimed verdict is; "" of any other."""
    if not result.claimed:
        return ""
    return CLAIMED_BY_TESTS if result.counts_tests else CLAIMED_BY_TOOL
