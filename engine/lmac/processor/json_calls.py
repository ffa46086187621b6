"""Tool calls that a model writes as JSON into its text, in the shapes that models know from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lmac.messages import Action, sound_text
from lmac.processor.actions import ToolForm

NESTING = 16
"""Of arguments; what is deeper could be read and then not be journalled."""

_NAMES = ("tool", "name", "action", "function", "tool_name")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input")
_LISTS = ("actions", "tool_calls", "calls")


def calls_in(text: str, tools: Sequence[ToolForm]) -> tuple[Action, ...]:
    """The calls that a JSON text holds: all of them name an offered tool and fit it, or there are none."""
    try:
        value = sound_json(text.strip())
    except (ValueError, RecursionError):
        return ()
    return calls_of(value, tools)


def calls_of(value: Any, tools: Sequence[ToolForm]) -> tuple[Action, ...]:
    """As `calls_in`, of decoded JSON."""
    if isinstance(value, dict):
        listed = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), None)
        value = [value] if listed is None else listed
    if not isinstance(value, list):
        return ()
    calls = [call_of(item, tools) for item in value]
    return tuple(call for call in calls if call is not None) if None not in calls else ()


def call_of(item: Any, tools: Sequence[ToolForm]) -> Action | None:
    """The one call that an object is; None when it names no offered tool or does not fit it."""
    if not isinstance(item, dict):
        return None
    if isinstance(item.get("function"), dict):
        item = item["function"]
    key = next((key for key in _NAMES if isinstance(item.get(key), str)), None)
    form = next((tool for tool in tools if key and tool.spec.name == item[key].lower()), None)
    if key is None or form is None:
        return None
    apart = next((name for name in _ARGUMENTS if name in item), None)
    # Otherwise the arguments stand beside the name.
    arguments = {k: v for k, v in item.items() if k != key} if apart is None else item[apart]
    if isinstance(arguments, str):
        try:
            arguments = sound_json(arguments)
        except (ValueError, RecursionError):
            return None
    if not isinstance(arguments, dict) or is_deeper(arguments, NESTING):
        return None
    return Action(form.spec.name, arguments) if _fits(arguments, form.spec.parameters) else None


def sound_json(text: str) -> Any:
    """Decode JSON; an escape such as \\ud800 passes as JSON and could not be sent back, kept or shown.

    Raises:
        ValueError: no JSON.
        RecursionError: nested beyond the interpreter's depth.
    """
    return json.loads(sound_text(json.dumps(json.loads(text), ensure_ascii=False)))


def is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects stand within one another more often than that."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_deeper(item, levels - 1) for item in inner)


def _fits(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether the names are right; the toolbox judges the values and says what is wrong with them."""
    known = schema.get("properties", {})
    return set(schema.get("required", ())) <= set(arguments) <= set(known)
