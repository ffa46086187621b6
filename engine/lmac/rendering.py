"""Reports as the model reads them: canonical, so that a replay can be compared, and bounded.

What is in them is the output of untrusted code; `lmac_sandbox` has stripped its control sequences.
"""

from __future__ import annotations

import re

from lmac.evaluation import CheckResult, Finding, Report, Verdict

_MARK = re.compile(r"<\s*/?\s*untrusted\s*>", re.IGNORECASE)

NO_TESTS = "there are none; write pytest functions named test_... in a file named test_....py"

FINDING_CHARACTERS = 1200
"""Longest text of one finding: one failure whole says more than ten cut ones."""


def untrusted(text: str) -> str:
    """Output of programs between marks that nothing within can close."""
    return f"<untrusted>\n{_MARK.sub('[mark]', text)}\n</untrusted>"


def render_report(report: Report, most_characters: int) -> str:
    """One line a check, then what blocks, as far as there is room; the rest is counted."""
    lines = [_line(result) for result in report.results]
    room = most_characters - sum(len(line) + 1 for line in lines)
    blocking = [(r.check, f) for r in report.results for f in r.findings if f.blocking]
    shown = 0
    for check, finding in blocking:
        text = _told(check, finding)
        if len(text) > room and shown:
            break
        lines += ["", text]
        room -= len(text) + 2
        shown += 1
    if shown < len(blocking):
        lines += ["", f"({len(blocking) - shown} more of the kind are not shown.)"]
    return "\n".join(lines)


def _line(result: CheckResult) -> str:
    advisory = sum(not finding.blocking for finding in result.findings)
    match result.verdict:
        case Verdict.BROKEN_OFF:
            said = f"{result.verdict.value}: {result.ending.value}"
        case Verdict.NOTHING_TO_JUDGE:
            said = NO_TESTS if result.check == "tests" else "there is nothing to check"
        case Verdict.PASSED | Verdict.FAILED:
            said = result.verdict.value
    counts = []
    if result.check in ("tests", "acceptance") and (result.passed_count or result.failed_count):
        counts.append(f"{result.passed_count} passed, {result.failed_count} failed")
    if advisory:
        counts.append(f"{advisory} remarks")
    return f"{result.check}: {said}" + (f" ({'; '.join(counts)})" if counts else "")


def _told(check: str, finding: Finding) -> str:
    text = finding.text
    if len(text) > FINDING_CHARACTERS:
        # The tail holds the assertion, the head the test's first lines.
        text = f"{text[: FINDING_CHARACTERS // 3]}\n[...]\n{text[-FINDING_CHARACTERS * 2 // 3 :]}"
    return f"{check}: {finding.where}: {text}" if finding.where else f"{check}: {text}"
