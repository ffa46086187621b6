"""Another form of actions, or of the program, for a model or a server that cannot do the one at hand."""

from __future__ import annotations

from dataclasses import replace

from lmac.control_unit.machine import Machine
from lmac.control_unit.windows import open_window
from lmac.processor.actions import ProtocolName
from lmac.program import ProgramForm


def step_down(machine: Machine, reason: str) -> None:
    """Take the next form, and put a fresh window in it before whatever is under way."""
    setting, protocol = machine.equipment.setting, machine.equipment.protocol
    before = protocol.name
    if machine.lower and (machine.state.registry is not None or before is not ProtocolName.FENCED):
        protocol = machine.lower.pop(0)
        machine.conversation.speak(protocol)
    form = ProgramForm.NUMBERED
    if protocol.name is ProtocolName.JSON and before is not ProtocolName.JSON:
        form = ProgramForm.SCHEMA
    machine.equip(replace(setting, program_form=form), protocol)
    machine.journal.append(
        "protocol_stepped_down",
        reason=reason,
        before=before.value,
        after=protocol.name.value,
        program_form=form.value,
    )
    opening = machine.state.opening_digest
    machine.state = replace(
        machine.state,
        format_faults=0,
        form_refused=False,
        program_tries=0,
        requirement_tries=0,
        # Only a form with parts of its own is asked for them.
        requirements_wanted=machine.state.requirements_wanted and form.is_whole,
        can_step_down=machine.can_step_down,
    )
    if machine.state.registry is not None:
        open_window(machine)
        # The instruction began with the window before.
        machine.state = replace(machine.state, opening_digest=opening)
