"""The JSON protocol: a reply is one object of actions, which the server constrains to a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmac.messages import Action, Finish, Message, Observation, Reply, Role, ToolSpec
from lmac.processor.actions import Parsed, ProtocolName, ToolForm
from lmac.processor.json_calls import call_of, sound_json

MOST_ACTIONS = 16
"""In one reply; without an end a constrained model may go on for ever."""

NO_ACTION = 'Your reply held no action. Reply with one JSON object: {"actions": [{"tool": ...}]}.'


@dataclass(frozen=True, slots=True)
class JsonProtocol:
    """Reads and explains the JSON form."""

    name: ProtocolName = ProtocolName.JSON

    def manual(self, tools: Sequence[ToolForm]) -> str:
        lines = [
            f"- {tool.spec.name}({', '.join(tool.spec.parameters.get('properties', {}))}): "
            f"{tool.spec.description}"
            for tool in tools
        ]
        return (
            'Reply with one JSON object, {"actions": [...]}: the actions in order, each with the name of its '
            "`tool` and its arguments. The tools:\n" + "\n".join(lines)
        )

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
        return ()

    def schema(self, tools: Sequence[ToolForm]) -> Mapping[str, Any] | None:
        definitions: dict[str, Any] = {}
        for tool in tools:
            definitions |= tool.spec.parameters.get("$defs", {})
        actions = {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_ACTIONS,
            "items": {"anyOf": [_action_schema(tool.spec) for tool in tools]},
        }
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {"actions": actions},
            "required": ["actions"],
            "additionalProperties": False,
        }
        return schema | ({"$defs": _plain(definitions)} if definitions else {})

    def parse(self, reply: Reply, tools: Sequence[ToolForm]) -> Parsed:
        items, whole = _items(reply.text)
        actions: list[Action] = []
        for number, item in enumerate(items, 1):
            action = call_of(_without_nulls(item), tools)
            if action is None:
                # What follows may build on it.
                fault = f"Action {number} names no tool that is offered, or not its arguments."
                return Parsed(tuple(actions), (Observation(fault, ok=False),))
            actions.append(action)
        if not whole and reply.finish in (Finish.LENGTH, Finish.FILTERED):
            which = f"action {len(items) + 1}"
            cut = f"Your reply was cut within {which}, which was not carried out: write less at once."
            return Parsed(tuple(actions), (Observation(cut, ok=False),))
        if not actions:
            return Parsed((), (Observation(NO_ACTION, ok=False),))
        return Parsed(tuple(actions))

    def spoken(self, reply: Reply) -> Message:
        return Message(Role.ASSISTANT, reply.text)

    def heard(self, observations: Sequence[Observation], notice: str) -> tuple[Message, ...]:
        parts = [observation.text for observation in observations]
        if notice:
            parts.append(notice)
        return (Message(Role.USER, "\n\n".join(parts)),)


def _action_schema(spec: ToolSpec) -> dict[str, Any]:
    """One tool's; every argument is required and may be null, as strict servers want it."""
    properties = _plain(spec.parameters.get("properties", {}))
    return {
        "type": "object",
        "properties": {"tool": {"type": "string", "enum": [spec.name]}, **properties},
        "required": ["tool", *properties],
        "additionalProperties": False,
    }


def _plain(schema: Any) -> Any:
    """Without what only people read, and without defaults: a strict server refuses them."""
    if isinstance(schema, dict):
        dropped = ("title", "default", "description")
        return {
            key: _plain(value)
            for key, value in schema.items()
            if key not in dropped or not isinstance(value, str | int | float | list | None)
        }
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema


def _items(text: str) -> tuple[list[Any], bool]:
    """The actions of a reply, and whether it is whole; of a cut one those that closed before the cut."""
    try:
        value = sound_json(text)
    except (ValueError, RecursionError):
        return _closed_items(text), False
    items = value.get("actions") if isinstance(value, dict) else value
    return (items, True) if isinstance(items, list) else ([], True)


def _closed_items(text: str) -> list[Any]:
    decoder = json.JSONDecoder()
    items: list[Any] = []
    place = text.find("[", text.find('"actions"'))
    while place >= 0:
        place += 1
        while place < len(text) and text[place] in " \t\r\n":
            place += 1
        try:
            item, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        items.append(sound_json(json.dumps(item)))
        while place < len(text) and text[place] in " \t\r\n":
            place += 1
        if text[place : place + 1] != ",":
            break
    return items


def _without_nulls(item: Any) -> Any:
    """An argument that is null was left out."""
    if not isinstance(item, dict):
        return item
    return {key: value for key, value in item.items() if value is not None}
