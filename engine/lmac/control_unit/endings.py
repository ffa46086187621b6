"""An instruction, or one attempt at it, is left. Source: Algorithm 1, lines 5 and 7."""

from __future__ import annotations

from dataclasses import replace

from lmac.control_unit.machine import Machine
from lmac.conversation import BudgetRefused
from lmac.errors import ContextOverflow
from lmac.program.registry import InstructionEnd


def advance(machine: Machine, end: InstructionEnd, reason: str) -> None:
    """Close the current instruction; the next one gets a summary of it."""
    registry = machine.registry
    summary = "" if machine.is_last else _summary(machine, end)
    machine.journal.append(
        "instruction_end",
        instruction=registry.counter,
        end=end.value,
        reason=reason,
        summary=summary,
    )
    if end is InstructionEnd.COMPLETED:
        machine.standing_tests = machine.standing_tests.closed(machine.report_at_hand)
    machine.leave(registry.advance(end, summary))


def restart(machine: Machine, reason: str) -> None:
    """Open the current instruction again, with a summary of its progress."""
    registry = machine.registry
    progress = _summary(machine, None)
    machine.journal.append("restart", instruction=registry.counter, reason=reason, progress=progress)
    machine.leave(registry.restart(progress))


def _summary(machine: Machine, end: InstructionEnd | None) -> str:
    """The processor's own words; the listing without them, or if no call fits window or budget."""
    listing = machine.workspace.store.listing
    if not machine.limits.summaries:
        return listing()
    question = machine.briefing.summary_question(machine.registry, end)
    sampling = replace(machine.sampling(), reply_tokens=machine.equipment.setting.summary_tokens)
    try:
        said = machine.conversation.summarize(question, sampling)
    except (ContextOverflow, BudgetRefused):
        said = ""
    return said or listing()
