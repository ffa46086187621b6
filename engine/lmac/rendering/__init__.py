"""Reports as the model reads them: canonical, so that a replay can be compared, and bounded.

What is in them is the output of untrusted code; `lmac_sandbox` has stripped its control sequences.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lmac.checks.session import canonical
from lmac.evaluation import CheckResult, Finding, Report, Verdict, in_words
from lmac.evaluation.ranking import STANDING
from lmac.evaluation.wording import claim, counts
from lmac.rendering.excerpts import cause, excerpt

_MARK = re.compile(r"<\s*(?:/\s*)?untrusted\s*>", re.IGNORECASE)

CHECK_CHARACTERS = 300
"""Of a check's own line."""
WHERE_CHARACTERS = 200
OTHER_PLACES = 6
"""Places at which the same fault is named."""

FINDING_CHARACTERS = 1200
"""Longest text of one fault."""

THE_TASK_SAYS = "The task says, and no test written along can say otherwise:"
_LEFT_OUT = "({} other faults are not shown.)"


def untrusted(text: str) -> str:
    """Output of programs between marks that nothing within can close."""
    return f"<untrusted>\n{without_marks(text)}\n</untrusted>"


def without_marks(text: str) -> str:
    """The text with nothing in it that opens or closes such marks."""
    return _MARK.sub("[mark]", text)


def render_report(report: Report, most_characters: int, before: Report | None = None) -> str:
    """One line a check, then the faults of the first one that names any; never longer than asked.

    What fails later fails for what failed first: tests of a file with an undefined name say nothing more.
    What the user's own suites say comes before the tests that were written along, which may be wrong.

    Args:
        before: The report that the reader knows; what it does not name comes first.
    """
    lines = [_line(result)[:CHECK_CHARACTERS] for result in report.results]
    known = _known(before)
    told = _told_of(report, known)
    faults = [fault for _, found in told for fault in found]
    if before is not None:
        lines += filter(None, (_change(result, before) for result, _ in told))
    if any(result.check in STANDING for result, _ in told):
        lines += ["", THE_TASK_SAYS]
    room = most_characters - sum(len(line) + 1 for line in lines) - len(_LEFT_OUT.format(len(faults))) - 2
    shown = 0
    for fault in faults:
        # One failure whole says more than ten cut ones.
        text = _told(fault, min(room - 2, FINDING_CHARACTERS) if not shown else FINDING_CHARACTERS)
        if len(text) + 2 > room:
            break
        lines += ["", text]
        room -= len(text) + 2
        shown += 1
    if shown < len(faults):
        lines += ["", _LEFT_OUT.format(len(faults) - shown)]
    return "\n".join(lines)[: max(most_characters, 0)]


def _told_of(report: Report, known: frozenset[tuple[str, str]]) -> list[tuple[CheckResult, list[_Fault]]]:
    """The checks whose faults are told, in order: the first one that names any, the user's before the own."""
    found = [(result, faults) for result in report.results if (faults := _faults(result, known))]
    standing = [one for one in found if one[0].check in STANDING]
    own = [one for one in found if one[0].check not in STANDING][:1]
    if standing and own and not own[0][0].counts_tests:
        # Behind files that do not even parse nothing of the user's can have passed.
        return own
    return [*standing, *own]


class _Fault(NamedTuple):
    check: str
    places: Sequence[Finding]
    """Where the same failure stands."""
    is_new: bool


def _known(before: Report | None) -> frozenset[tuple[str, str]]:
    """Check and place of all that blocked before."""
    results = before.results if before is not None else ()
    return frozenset((one.check, found.where) for one in results for found in one.findings if found.blocking)


def _change(result: CheckResult, before: Report) -> str:
    """What became of the check's faults since then; "" when nothing did."""
    then = {where for check, where in _known(before) if check == result.check}
    now = {found.where for found in result.findings if found.blocking}
    if before.result(result.check) is None or then == now:
        return ""
    return (
        f"{result.check}: {len(now - then)} new faults, {len(then - now)} gone, {len(now & then)} as before"
    )


def _faults(result: CheckResult, known: frozenset[tuple[str, str]]) -> list[_Fault]:
    """What stands in the way, each cause once; what is new comes first."""
    causes: dict[str, list[Finding]] = {}
    for finding in result.findings:
        # Where nothing ran, a remark is what says why.
        if finding.blocking or result.verdict is Verdict.NOTHING_TO_JUDGE:
            causes.setdefault(cause(finding.text), []).append(finding)
    faults = []
    for same in causes.values():
        new = [found for found in same if (result.check, found.where) not in known]
        faults.append(_Fault(result.check, [*new, *(found for found in same if found not in new)], bool(new)))
    return sorted(faults, key=lambda fault: not fault.is_new)


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


def _told(fault: _Fault, most_characters: int) -> str:
    """The first place whole, the others by name."""
    first, *others = fault.places
    where = first.where[:WHERE_CHARACTERS]
    head = f"{fault.check}: {where}: " if where else f"{fault.check}: "
    also = ", ".join(found.where[:WHERE_CHARACTERS] for found in others[: OTHER_PLACES - 1])
    more = f" and {len(fault.places) - OTHER_PLACES} more" if len(fault.places) > OTHER_PLACES else ""
    tail = f"\n(the same at {also}{more})" if also else ""
    if len(tail) > most_characters // 2:
        tail = f"\n(the same at {len(others)} other places)"
    return head + excerpt(canonical(first.text), most_characters - len(head) - len(tail)) + tail
