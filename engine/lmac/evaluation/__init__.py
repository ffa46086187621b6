"""What an evaluation says: one verdict a check, together one report on one digest of the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from lmac_sandbox import Ending, Reuse


def in_words(ending: Ending) -> str:
    """An ending as people and models read it."""
    return ending.value.replace("_", " ")


class Verdict(StrEnum):
    """What a check says of the files. Only PASSED lets an instruction close."""

    PASSED = "passed"
    FAILED = "failed"
    NOTHING_TO_JUDGE = "nothing to judge"
    """No tests, no files: absence is no pass."""
    NOT_APPLICABLE = "not applicable"
    """No files for a check that a store may do without; another one has to pass."""
    BROKEN_OFF = "broken off"
    """The check itself did not come to its end: its `ending` says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that a check names."""

    where: str
    """Path, path:line, or test id; as untrusted as the store."""
    text: str
    blocking: bool = True


class JudgedTest(NamedTuple):
    """One test of a session; a list of three in JSON."""

    id: str
    outcome: str
    """passed, failed, error, skipped, xfailed or xpassed."""
    seconds: float


MOST_PROMISED = 2000
"""Tests whose promise a result keeps."""


class PromisedTest(NamedTuple):
    """One test function as its file's text promises it; a list of two in JSON."""

    id: str
    assertions: int
    """Statements and calls of it that could find something wrong."""


class FileCoverage(NamedTuple):
    """Lines of one file that a session ran; a list in JSON."""

    path: str
    statements: int
    missed: int
    """Statements that never ran."""
    missing: tuple[int, ...]
    """Their first line numbers."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict of one check on one digest."""

    check: str
    verdict: Verdict
    ending: Ending
    """How the check's own process ended; EXITED for every verdict but BROKEN_OFF."""
    findings: tuple[Finding, ...] = ()
    passed_count: int = 0
    """Tests, or files, that passed."""
    failed_count: int = 0
    counts_tests: bool = False
    """Whether what is counted are tests, and what they ran in told the counts."""
    seconds: float = 0.0
    claimed: bool = False
    """Generated code ran in the very process that reported, or could steer it: its verdict is its claim."""
    reuse: Reuse = Reuse.SINGLE_USE
    """Grade of the box that it ran in."""
    tests: tuple[JudgedTest, ...] = ()
    """What did not pass, then the others, as they ran; the first of many."""
    coverage: tuple[FileCoverage, ...] = ()
    """Of the subject's files; only when it was asked for."""
    promised: tuple[PromisedTest, ...] = ()
    """Of a session over the store's own tests: the first `MOST_PROMISED`."""
    form: str = ""
    """Of an acceptance suite: how it met the files, as `checks.acceptance` names it."""
    awaits: str = ""
    """What would give the check something to judge; only when there was nothing."""
    answered_by_subject: int = 0
    """Comparisons, sums and looks into an object that the judged files did themselves: their word."""

    @property
    def covered_percent(self) -> int | None:
        """Of all statements together, rounded down; None when it was not measured."""
        statements = sum(file.statements for file in self.coverage)
        missed = sum(file.missed for file in self.coverage)
        return 100 * (statements - missed) // statements if statements else None


@dataclass(frozen=True, slots=True)
class Report:
    """All verdicts on one digest."""

    store_digest: str
    results: tuple[CheckResult, ...]

    @property
    def green(self) -> bool:
        """Every check that applies passed, and there was at least one."""
        verdicts = [result.verdict for result in self.results if result.verdict is not Verdict.NOT_APPLICABLE]
        return bool(verdicts) and all(verdict is Verdict.PASSED for verdict in verdicts)

    def result(self, check: str) -> CheckResult | None:
        """The verdict of the check of that name."""
        return next((result for result in self.results if result.check == check), None)


@cache
def _reader() -> TypeAdapter[CheckResult]:
    return TypeAdapter(CheckResult)


BESIDE_CHARACTERS = 1000
"""Longer lists of a result stand beside the journal, not in it."""
_LISTS = ("findings", "tests", "coverage", "promised")


def read_check_result(named: Mapping[str, Any], read: Callable[[str], bytes] | None = None) -> CheckResult:
    """A result as the journal holds it.

    Args:
        read: Gives what was kept, by its sha256; without it, lists that stand beside the journal are empty,
            but for the sums of the coverage.

    Raises:
        ValueError: it is none.
    """
    lists = {name: _read_list(name, named[name], read) for name in _LISTS if name in named}
    return _reader().validate_python({**named, **lists})


def journalled(report: Report, keep: Callable[[str], str] | None = None) -> dict[str, object]:
    """A report as the journal holds it.

    Args:
        keep: Keeps a text beside the journal and returns its sha256; without it, all of the report is here.
    """
    results = [_fields(result) for result in report.results]
    if keep is not None:
        for result, named in zip(report.results, results, strict=True):
            named.update((name, _kept_list(name, named[name], result, keep)) for name in _LISTS)
    return {"store_digest": report.store_digest, "green": report.green, "results": results}


def _fields(result: CheckResult) -> dict[str, object]:
    """Its fields by name; `asdict` would copy every test of a long session, one by one."""
    named = {field.name: getattr(result, field.name) for field in fields(result)}
    return {**named, "findings": [asdict(finding) for finding in result.findings]}


def _kept_list(name: str, value: object, result: CheckResult, keep: Callable[[str], str]) -> object:
    if not value:
        return value
    text = json.dumps(value)
    if len(text) <= BESIDE_CHARACTERS:
        return value
    kept: dict[str, object] = {"sha256": keep(text)}
    if name == "coverage":
        kept["statements"] = sum(file.statements for file in result.coverage)
        kept["missed"] = sum(file.missed for file in result.coverage)
    return kept


def _read_list(name: str, value: Any, read: Callable[[str], bytes] | None) -> Any:
    if not isinstance(value, Mapping):
        return value
    if read is not None:
        return json.loads(read(value["sha256"]))
    return [("", value["statements"], value["missed"], ())] if name == "coverage" else []
