"""The native protocol: the server's own tool calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lmac.messages import Action, Finish, Message, Observation, Reply, Role, ToolCall, ToolSpec, sound_text
from lmac.processor.actions import Parsed, ProtocolName, ToolForm
from lmac.processor.fenced_blocks import Block, pieces
from lmac.processor.json_calls import NESTING, calls_in, is_deeper

NO_CALL = "Your reply called no tool. Call a tool to act, or `done` when the instruction is complete."


@dataclass(frozen=True, slots=True)
class NativeProtocol:
    """Reads tool calls; every call is answered, so that no server refuses the next request."""

    user_after_tools: bool = True
    """Whether the server takes a message of the user's right after answers of tools; Mistral's refuse it."""
    name: ProtocolName = ProtocolName.NATIVE

    def manual(self, tools: Sequence[ToolForm]) -> str:
        return ""

    @property
    def how_to_write(self) -> str:
        return "Write each file, whole, with the tool `write`."

    def how_to_begin(self, path: str) -> str:
        return self.how_to_write

    @property
    def how_to_rewrite(self) -> str:
        return self.how_to_write

    @property
    def how_to_change(self) -> str:
        return "Change a few lines with the tool `edit`; `write` a new file, or one of which most changes."

    def shown_file(self, path: str, content: str) -> str:
        return f"{path}:\n````\n{content}````"

    def specs(self, tools: Sequence[ToolForm]) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in tools)

    def schema(self, tools: Sequence[ToolForm]) -> Mapping[str, Any] | None:
        return None

    def parse(self, reply: Reply, tools: Sequence[ToolForm]) -> Parsed:
        actions: list[Action] = []
        faults: list[Observation] = []
        for call in reply.calls:
            read = _action(call, reply.finish)
            if isinstance(read, Action):
                actions.append(read)
            else:
                faults.append(read)
        if not reply.calls:
            actions += _written_as_text(reply.text, tools)
        if not reply.calls and not actions:
            faults.append(Observation(NO_CALL, ok=False))
        return Parsed(tuple(actions), tuple(faults))

    def spoken(self, reply: Reply) -> Message:
        return Message(Role.ASSISTANT, reply.text, calls=tuple(map(_sendable, reply.calls)))

    def heard(self, observations: Sequence[Observation], notice: str) -> tuple[Message, ...]:
        answers = [
            Message(Role.TOOL, observation.text, call_id=observation.call_id)
            for observation in observations
            if observation.call_id is not None
        ]
        spoken = [observation.text for observation in observations if observation.call_id is None]
        if notice:
            spoken.append(notice)
        if not spoken:
            return tuple(answers)
        if not answers or self.user_after_tools:
            return (*answers, Message(Role.USER, "\n\n".join(spoken)))
        *before, last = answers
        return (*before, replace(last, text="\n\n".join((last.text, *spoken))))


def _written_as_text(text: str, tools: Sequence[ToolForm]) -> list[Action]:
    """Calls that the model wrote into its words: their server did not read them as calls."""
    blocks = [piece for piece in pieces(text) if isinstance(piece, Block)]
    found = [action for block in blocks if block.closed for action in calls_in(block.content, tools)]
    return found or list(calls_in(text, tools))


def _sendable(call: ToolCall) -> ToolCall:
    """The call as servers take it back: some parse the arguments of earlier calls and refuse garbled ones."""
    try:
        readable = isinstance(json.loads(call.arguments_json), dict)
    except (ValueError, RecursionError):
        readable = False
    return call if readable else replace(call, arguments_json="{}")


def _action(call: ToolCall, finish: Finish) -> Action | Observation:
    try:
        arguments = json.loads(call.arguments_json or "{}")
    except (ValueError, RecursionError) as error:
        cut = (
            " The reply was cut at its length limit: write less in one call."
            if finish is Finish.LENGTH
            else ""
        )
        return Observation(
            f"The arguments of {call.name} are no JSON: {error}.{cut}", ok=False, call_id=call.call_id
        )
    if not isinstance(arguments, dict):
        return Observation(
            f"The arguments of {call.name} are no JSON object.", ok=False, call_id=call.call_id
        )
    if is_deeper(arguments, NESTING):
        return Observation(
            f"The arguments of {call.name} are nested deeper than {NESTING} levels.",
            ok=False,
            call_id=call.call_id,
        )
    # An escape such as \\ud800 passes as JSON and could not be sent back, kept or shown.
    sound = json.loads(sound_text(json.dumps(arguments, ensure_ascii=False)))
    return Action(call.name, sound, call_id=call.call_id)
