"""Which files an instruction leaves behind that was not completed."""

from __future__ import annotations

from lmac.evaluation.ranking import Judged
from lmac.transitions.state import MachineState


def better_files(state: MachineState) -> str | None:
    """The digest to go back to before an instruction is left uncompleted; None when there is no better one.

    Its own evaluations are compared by rank, the earliest of several alike: later ones were asked for in more
    despair. Files that nobody judged give way to any that were. The files with which it began are better only
    than files that lost something that ran before: an instruction that is half done is worth more than one
    undone.
    """
    report = state.report
    at_hand = report is not None and report.store_digest == state.store_digest
    target = Judged(report, len(state.missing_files)) if report is not None and at_hand else None
    if state.best is not None and (target is None or not target.is_better_than(state.best)):
        target = state.best
    if state.opening is not None and (target is None or target.breaks(state.opening)):
        target = state.opening
    if target is None or target.store_digest == state.store_digest:
        return None
    return target.store_digest
