"""Why servers in use would refuse a request: the rules of all of them, and of chat templates, at once."""

from __future__ import annotations

import json
import re
from typing import Any

Body = dict[str, Any]
"""One decoded request."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def request_fault(body: Body) -> str:
    """What is wrong with it, its length apart; "" when every server would take it."""
    if not isinstance(body.get("model"), str) or not body.get("messages"):
        return "model and messages are required"
    if not 0 <= body.get("temperature", 0) <= 2 or reply_limit(body) < 1:
        return "temperature or max_tokens out of range"
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a lone surrogate is no character"
    return _tools_fault(body.get("tools", [])) or _order_fault(body["messages"], bool(body.get("tools")))


def reply_limit(body: Body) -> int:
    """The longest reply that it allows, under whichever name."""
    name = "max_tokens" if "max_tokens" in body else "max_completion_tokens"
    limit: int = body.get(name, 1)
    return limit


def too_long(prompt_tokens: int, context_tokens: int) -> str:
    """In the words of llama.cpp."""
    return f"request ({prompt_tokens} tokens) exceeds the available context size ({context_tokens} tokens)"


def too_long_with_reply(prompt_tokens: int, reply_tokens: int, context_tokens: int) -> str:
    """In the words of vLLM, which reserves the reply."""
    return (
        f"This model's maximum context length is {context_tokens} tokens. However, you requested "
        f"{prompt_tokens + reply_tokens} tokens ({prompt_tokens} in the messages, {reply_tokens} in the "
        "completion). Please reduce the length of the messages or completion."
    )


def _tools_fault(tools: list[Body]) -> str:
    names = [tool["function"]["name"] for tool in tools]
    if len(set(names)) < len(names):
        return "two tools have one name"
    for tool in tools:
        function = tool["function"]
        if tool["type"] != "function" or not _NAME.fullmatch(function["name"]):
            return f"tool {function['name']!r}: no function, or a name that is none"
        if function["parameters"].get("type") != "object":
            return f"tool {function['name']!r}: parameters must be of type object"
    return ""


def _order_fault(messages: list[Body], has_tools: bool) -> str:
    """Roles in an order that chat templates take, and every tool call answered right after it, once."""
    unanswered: set[str] = set()
    seen: set[str] = set()
    before = ""
    for position, message in enumerate(messages):
        role = message["role"]
        if fault := _message_fault(message, before, unanswered):
            return f"message {position}: {fault}"
        calls = message.get("tool_calls") or []
        if (calls or role == "tool") and not has_tools:
            return f"message {position}: tool calls in a request without tools"
        if role == "tool":
            unanswered.remove(message["tool_call_id"])
        elif unanswered:
            return f"message {position}: tool calls before it are unanswered"
        else:
            if fault := _calls_fault(calls, seen):
                return f"message {position}: {fault}"
            unanswered = {call["id"] for call in calls}
            seen |= unanswered
        before = role
    if unanswered:
        return "the last tool calls are unanswered"
    return "" if before in ("user", "tool") else "the last message must be the user's or a tool's"


def _message_fault(message: Body, before: str, unanswered: set[str]) -> str:
    """What is wrong with one message after one of the role `before`."""
    empty = not (message["content"] or "").strip()
    match message["role"]:
        case "tool":
            if message["tool_call_id"] not in unanswered:
                return "a tool message that answers no call"
            return "empty" if empty else ""
        case "system":
            return "a system message must stand first" if before else "empty" if empty else ""
        case "user":
            if before == "user":
                return "two messages of the user's in a row"
            return "empty" if empty else ""
        case "assistant":
            if before not in ("user", "tool"):
                return "an assistant message must answer something"
            return "neither content nor tool calls" if empty and not message.get("tool_calls") else ""
        case role:
            return f"no such role: {role}"


def _calls_fault(calls: list[Body], seen: set[str]) -> str:
    """vLLM and llama.cpp parse the arguments of earlier calls for their templates."""
    ids = [call["id"] for call in calls]
    if not all(ids) or len({*ids, *seen}) < len(ids) + len(seen):
        return "an id of a tool call that is empty or not its own"
    for call in calls:
        if call["type"] != "function" or not _NAME.fullmatch(call["function"]["name"]):
            return "the name of a tool call is no name"
        try:
            arguments = json.loads(call["function"]["arguments"])
        except ValueError:
            return "the arguments of a tool call are no JSON"
        if not isinstance(arguments, dict):
            return "the arguments of a tool call are no JSON object"
    return ""
