"""Reports as the model reads them: canonical, so that a replay can be compared, and bounded.

What is in them is the output of untrusted code; `lmac_sandbox` has stripped its control sequences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lmac.evaluation import CheckResult, Finding, Report, Verdict, in_words
from lmac.wording import claim, counts

_MARK = re.compile(r"<\s*(?:/\s*)?untrusted\s*>", re.IGNORECASE)

WHERE_CHARACTERS = 200
OTHER_PLACES = 6
"""Places at which the same fault is named."""

FINDING_CHARACTERS = 1200
"""Longest text of one finding: one failure whole says more than ten cut ones."""


def untrusted(text: str) -> str:
    """Output of programs between marks that nothing within can close."""
    return f"<untrusted>\n{without_marks(text)}\n</untrusted>"


def without_marks(text: str) -> str:
    """The text with nothing in it that opens or closes such marks."""
    return _MARK.sub("[mark]", text)


def render_report(report: Report, most_characters: int) -> str:
    """One line a check, then the faults of the first one that names any, as far as there is room.

    What fails later fails for what failed first: tests of a file with an undefined name say nothing more.
    """
    lines = [_line(result) for result in report.results]
    room = most_characters - sum(len(line) + 1 for line in lines)
    faults = next((found for result in report.results if (found := list(_faults(result)))), [])
    shown = 0
    for text in faults:
        if len(text) > room and shown:
            break
        lines += ["", text]
        room -= len(text) + 2
        shown += 1
    if shown < len(faults):
        lines += ["", f"({len(faults) - shown} other faults are not shown.)"]
    return "\n".join(lines)


def _faults(result: CheckResult) -> Iterator[str]:
    """What stands in the way, each fault once: the first place whole, the others by name."""
    places: dict[str, list[Finding]] = {}
    for finding in result.findings:
        # Where nothing ran, a remark is what says why.
        if finding.blocking or result.verdict is Verdict.NOTHING_TO_JUDGE:
            # A failed test ends with its error; the lines before it differ from test to test.
            places.setdefault(finding.text.rsplit("\n", 1)[-1], []).append(finding)
    for same in places.values():
        also = ", ".join(finding.where[:WHERE_CHARACTERS] for finding in same[1:OTHER_PLACES])
        more = f" and {len(same) - OTHER_PLACES} more" if len(same) > OTHER_PLACES else ""
        yield _told(result.check, same[0]) + (f"\n(the same at {also}{more})" if also else "")


def _line(result: CheckResult) -> str:
    advisory = sum(not finding.blocking for finding in result.findings)
    match result.verdict:
        case Verdict.BROKEN_OFF:
            said = f"{result.verdict.value}: {in_words(result.ending)}"
        case Verdict.NOTHING_TO_JUDGE:
            said = result.awaits or "there is nothing to check"
        case Verdict.NOT_APPLICABLE:
            said = f"{result.verdict.value}: {result.awaits}" if result.awaits else result.verdict.value
        case Verdict.PASSED | Verdict.FAILED:
            said = result.verdict.value
    notes = [counts(result)] if counts(result) else []
    if result.claimed and result.verdict is Verdict.PASSED:
        notes.append(claim(result))
    if result.covered_percent is not None:
        notes.append(f"{result.covered_percent} % of the lines run")
    if advisory:
        notes.append(f"{advisory} remarks")
    return f"{result.check}: {said}" + (f" ({'; '.join(notes)})" if notes else "")


def _told(check: str, finding: Finding) -> str:
    text = finding.text
    if len(text) > FINDING_CHARACTERS:
        # The tail holds the assertion, the head the test's first lines.
        text = f"{text[: FINDING_CHARACTERS // 3]}\n[...]\n{text[-FINDING_CHARACTERS * 2 // 3 :]}"
    where = finding.where[:WHERE_CHARACTERS]
    return f"{check}: {where}: {text}" if where else f"{check}: {text}"
