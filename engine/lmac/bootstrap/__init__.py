"""Requirements, program and parts as the processor gives them, in whichever form its profile names."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from lmac.bootstrap.briefing import ProgramBriefing
from lmac.briefing import Briefing, Setting
from lmac.conversation import Conversation
from lmac.errors import ContextOverflow
from lmac.messages import Reply, Sampling
from lmac.processor.actions import ActionProtocol
from lmac.program import (
    Instruction,
    Program,
    ProgramFault,
    ProgramForm,
    Requirement,
    RequirementSource,
)
from lmac.program.registry import InstructionRegistry
from lmac.program.requirements import Requirements, listed_requirements, numbered_requirements
from lmac.program.revision import MOST_PARTS, Split, divided
from lmac.program.simple_forms import numbered_steps, parse_json_program, parse_numbered_program
from lmac.program_answers import PARTS, PROGRAM, REQUIREMENTS

SPLIT_REASON = "it was too large to be completed in one piece"


def requirements_at_hand(setting: Setting) -> Requirements:
    """What code alone knows of the requirements: from the user's program, or else from the task.

    A model that gives whole programs names them better than an unnumbered list does.
    """
    if setting.program is not None and setting.program.requirements:
        return Requirements(setting.program.requirements, RequirementSource.USER)
    if setting.program is None and setting.program_form.is_whole:
        return numbered_requirements(setting.task)
    return listed_requirements(setting.task)


def read_requirements(reply: Reply, form: ProgramForm, protocol: ActionProtocol) -> tuple[Requirement, ...]:
    """The requirements in a reply, numbered.

    Raises:
        ProgramFault: there are none that can be used; the text says why, for the model.
    """
    given = (
        REQUIREMENTS.read_call(reply, protocol)
        if form is ProgramForm.TOOL
        else REQUIREMENTS.read_text(reply.text)
    )
    if not (items := given.items()):
        raise ProgramFault("every requirement is empty")
    return items


def read_program(
    reply: Reply, setting: Setting, requirements: tuple[Requirement, ...], protocol: ActionProtocol
) -> Program:
    """The program in a reply, numbered, for these requirements. Source: L2MAC, Algorithm 1, lines 1-2.

    Raises:
        ProgramFault: there is none that can be used; the text says why, for the model.
    """
    most = setting.most_instructions
    match setting.program_form:
        case ProgramForm.NUMBERED:
            program = parse_numbered_program(reply.text, most, setting.task)
        case ProgramForm.JSON:
            program = parse_json_program(reply.text, most, setting.task)
        case ProgramForm.TOOL:
            return PROGRAM.read_call(reply, protocol).program(requirements, most)
        case ProgramForm.SCHEMA:
            return PROGRAM.read_text(reply.text).program(requirements, most)
        case _:
            assert_never(setting.program_form)
    return replace(program, requirements=requirements).numbered()


def ask_for_split(
    briefing: Briefing, conversation: Conversation, registry: InstructionRegistry, sampling: Sampling
) -> Split | None:
    """Ask, in one call and a window of its own, for the parts of the current instruction.

    The conversation's window is another one afterwards: open the next before going on. A reply without parts,
    or a window too small for the question, leaves it to code to divide the instruction's requirements.

    Returns:
        None when they are too few for that.

    Raises:
        BudgetRefused: a limit of the budget stands in the way.
        ModelError: no usable reply came.
    """
    setting, protocol = briefing.setting, briefing.protocol
    conversation.open(ProgramBriefing(setting, protocol).split_window(registry))
    try:
        reply = conversation.ask(sampling)
        parts = _parts(reply, setting, protocol, registry.current.files)
    except (ContextOverflow, ProgramFault):
        return divided(registry.current)
    if len({(part.text, part.files) for part in parts}) < len(parts):
        # The same step twice is no smaller than before.
        return divided(registry.current)
    return Split(registry.number, parts, SPLIT_REASON)


def _parts(
    reply: Reply, setting: Setting, protocol: ActionProtocol, files: tuple[str, ...]
) -> tuple[Instruction, ...]:
    """The parts in a reply; in the simple forms they write no files but the whole's: small models invent.

    Raises:
        ProgramFault: there are none.
    """
    parts = _given_parts(reply, setting, protocol)
    if setting.program_form.is_whole or not files:
        return parts
    return tuple(replace(part, files=tuple(path for path in part.files if path in files)) for part in parts)


def _given_parts(reply: Reply, setting: Setting, protocol: ActionProtocol) -> tuple[Instruction, ...]:
    match setting.program_form:
        case ProgramForm.NUMBERED:
            parts = numbered_steps(reply.text, setting.task)
            if not 2 <= len(parts) <= MOST_PARTS:
                raise ProgramFault(f"{len(parts)} parts were given")
            return parts
        case ProgramForm.TOOL:
            given = PARTS.read_call(reply, protocol)
        case ProgramForm.JSON | ProgramForm.SCHEMA:
            given = PARTS.read_text(reply.text)
        case _:
            assert_never(setting.program_form)
    return tuple(part.instruction() for part in given.parts)
