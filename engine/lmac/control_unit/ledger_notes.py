"""The requirement ledger, in the journal whenever it changes."""

from __future__ import annotations

from lmac.control_unit.machine import Machine
from lmac.evaluation import Report
from lmac.program.ledger import LedgerEntry, in_short, ledger
from lmac.program.registry import InstructionRegistry


class LedgerNotes:
    """Knows what the journal was told last."""

    def __init__(self) -> None:
        self._seen: tuple[InstructionRegistry | None, Report | None] = (None, None)
        self._entries: tuple[LedgerEntry, ...] = ()

    def note(self, machine: Machine) -> None:
        """Tell the journal what registry and report make of the requirements, if either is new."""
        registry, report = machine.state.registry, machine.state.report
        if registry is None or (registry is self._seen[0] and report is self._seen[1]):
            return
        self._seen = (registry, report)
        entries = ledger(registry, machine.report_at_hand)
        if entries != self._entries:
            self._entries = entries
            shown = {entry.number: entry.shown_by for entry in entries if entry.shown_by}
            machine.journal.append("ledger", **in_short(entries), shown_by=shown)
