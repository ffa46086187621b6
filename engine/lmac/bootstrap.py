"""The program as the processor gives it, in whichever form its profile names."""

from __future__ import annotations

from lmac.messages import Reply
from lmac.processor.actions import ActionProtocol
from lmac.program import (
    Program,
    ProgramFault,
    ProgramForm,
    Task,
    parse_json_program,
    parse_numbered_program,
)
from lmac.tools import ProgramGiven, Toolbox, Workspace


def read_program(
    reply: Reply,
    form: ProgramForm,
    task: Task,
    most_instructions: int,
    protocol: ActionProtocol,
    toolbox: Toolbox,
    workspace: Workspace,
) -> Program:
    """The program in a reply. Source: L2MAC, Algorithm 1, lines 1-2.

    Raises:
        ProgramFault: there is none that can be used; the text says why, for the model.
    """
    match form:
        case ProgramForm.NUMBERED:
            return parse_numbered_program(reply.text, most_instructions)
        case ProgramForm.JSON:
            return parse_json_program(reply.text, most_instructions, task)
        case ProgramForm.TOOL:
            return _called_program(reply, protocol, toolbox, workspace)


def _called_program(
    reply: Reply, protocol: ActionProtocol, toolbox: Toolbox, workspace: Workspace
) -> Program:
    parsed = protocol.parse(reply, toolbox.forms())
    faults = [fault.text for fault in parsed.faults]
    for action in parsed.actions:
        result = toolbox.carry_out(action, workspace)
        if isinstance(result.effect, ProgramGiven):
            return result.effect.program
        faults.append(result.text)
    raise ProgramFault("; ".join(faults) or "the tool `program` was not called")
