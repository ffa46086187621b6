"""The program is changed while it runs: as the model asks, or because an instruction was too large."""

from __future__ import annotations

from dataclasses import asdict, replace

from lmac.control_unit.machine import Machine
from lmac.errors import ContextOverflow
from lmac.program.outline import render_program
from lmac.program.revision import Revision, RevisionRefused
from lmac.tools import ToolResult


def revise(machine: Machine, revision: Revision) -> ToolResult:
    """Change the program if that keeps its rules, and journal the change with its reason."""
    registry, most = machine.registry, machine.limits.revisions
    if registry.revisions >= most:
        return ToolResult(f"The program was not changed: it was revised {most} times already.", ok=False)
    try:
        revised = registry.revised(revision)
    except RevisionRefused as refusal:
        machine.journal.append("revision_refused", reason=revision.reason, fault=str(refusal))
        return ToolResult(f"The program was not changed: {refusal}.", ok=False)
    machine.journal.append(
        "program_revised",
        change=type(revision).__name__.lower(),
        reason=revision.reason,
        revision=asdict(revision),
        instructions=[asdict(step) for step in revised.program.instructions],
    )
    if not revised.finished and revised.number == registry.number:
        machine.state = replace(machine.state, registry=revised)
    else:
        machine.leave(revised)
        machine.state = replace(machine.state, pending=())
    return ToolResult(f"The program was changed:\n{render_program(revised)}")


def ask_for_split(machine: Machine, reason: str) -> None:
    """Have the current instruction divided into smaller ones, once."""
    assert machine.split is not None, "decide() asks for a split only where there is one"
    machine.journal.append("split_asked", instruction=machine.registry.counter, reason=reason)
    machine.state = replace(machine.state, may_split=False)
    try:
        split = machine.split(machine.briefing, machine.conversation, machine.registry, machine.sampling())
    except ContextOverflow:
        return
    if split is not None:
        revise(machine, split)
