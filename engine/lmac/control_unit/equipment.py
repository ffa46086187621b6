"""What belongs to one form of actions; all of it is replaced when the machine takes another form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lmac.bootstrap.writer import ProgramWriter
from lmac.briefing import Briefing, Setting
from lmac.control_unit.candidates import Panel
from lmac.conversation import Conversation
from lmac.journal import Journal
from lmac.messages import Sampling
from lmac.processor.actions import ActionProtocol, offered_edits
from lmac.program import ProgramForm
from lmac.tools import Toolbox, Workspace, instruction_toolbox, without_evaluator

REVISING_CONTEXT_TOKENS = 8000
"""In a smaller window the tool that changes the program costs more than it is worth."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """The setting, the form of actions, and everything that is made from the two."""

    setting: Setting
    protocol: ActionProtocol
    briefing: Briefing
    panel: Panel
    writer: ProgramWriter
    toolbox: Toolbox
    """What the model may do, as long as no test of an earlier instruction stands."""


def equipment(
    setting: Setting,
    protocol: ActionProtocol,
    conversation: Conversation,
    workspace: Workspace,
    journal: Journal,
    sampling: Callable[[int], Sampling],
) -> Equipment:
    """For this form of actions.

    Args:
        sampling: By the number of tries before.
    """
    briefing = Briefing(setting, protocol, workspace.store, workspace.outlines)
    return Equipment(
        setting,
        protocol,
        briefing,
        Panel(briefing, conversation, workspace, journal),
        ProgramWriter(setting, conversation, protocol, journal, sampling),
        _toolbox(setting, protocol),
    )


def _toolbox(setting: Setting, protocol: ActionProtocol) -> Toolbox:
    tools = instruction_toolbox(_is_revisable(setting), offered_edits(setting.edits, protocol.name))
    return tools if setting.limits.evaluator else without_evaluator(tools)


def _is_revisable(setting: Setting) -> bool:
    """Whether the model itself may change the program."""
    room = setting.context_tokens >= REVISING_CONTEXT_TOKENS
    return room and setting.program_form is ProgramForm.TOOL and setting.limits.revisions > 0
