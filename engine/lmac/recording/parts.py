"""What boxes said, in parts that can be compared from one execution to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lmac.checks.session import canonical, canonical_output
from lmac.evaluation import CheckResult, Report, in_words
from lmac.evaluation.wording import worded
from lmac_sandbox import JobResult


class Part(NamedTuple):
    """The name of one thing that a check or a program says."""

    source: str
    """The check, or the program."""
    aspect: str
    """`test`, `finding`, `coverage`, `promise`, `stdout` or `stderr`; "" of the verdict, or of the ending."""
    name: str = ""
    """Of the test, or the place."""


Parts = Mapping[Part, str]
"""Each with what was said, without durations and whatever else is another one each time."""


def parts_of_reports(reports: Sequence[Report]) -> Parts:
    """Of one report, or of those of several candidates."""
    parts: dict[Part, str] = {}
    for number, report in enumerate(reports, start=1):
        place = f"candidate {number}, " if len(reports) > 1 else ""
        for result in report.results:
            parts |= dict(_of_result(f"{place}{result.check}", result))
    return parts


def parts_of_answer(program: str, result: JobResult) -> Parts:
    """Of a program's answer, as far as a window shows it."""
    how = f"signal {result.signal}" if result.signal is not None else in_words(result.ending)
    ended = f"exit code {result.exit_code}" if result.exit_code is not None else how
    streams = {"stdout": result.stdout, "stderr": result.stderr}
    shown = {
        Part(program, name): canonical_output(result.same_for_all_boxes(output.text()))
        for name, output in streams.items()
    }
    return {Part(program, ""): ended, **shown}


def differing(one: Parts, other: Parts) -> frozenset[Part]:
    """Parts that are not alike; one that stands on one side only is not."""
    return frozenset(part for part in one.keys() | other.keys() if one.get(part) != other.get(part))


def _of_result(source: str, result: CheckResult) -> Iterator[tuple[Part, str]]:
    yield Part(source, ""), worded(result) + (f", {result.awaits}" if result.awaits else "")
    tests: dict[str, list[str]] = {}
    for test in result.tests:
        tests.setdefault(test.id, []).append(test.outcome)
    for name, outcomes in tests.items():
        yield Part(source, "test", name), ", ".join(outcomes)
    findings: dict[str, list[str]] = {}
    for finding in result.findings:
        text = canonical(finding.text)
        findings.setdefault(finding.where, []).append(text if finding.blocking else f"(a remark) {text}")
    for where, texts in findings.items():
        yield Part(source, "finding", where), "\n".join(texts)
    for file in result.coverage:
        lines = ", ".join(map(str, file.missing))
        yield Part(source, "coverage", file.path), f"{file.missed} of {file.statements} never ran: {lines}"
    for promised in result.promised:
        yield Part(source, "promise", promised.id), f"{promised.assertions} assertions"
