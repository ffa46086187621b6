"""What passes between the control unit and the processor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


def sound_text(text: str) -> str:
    """The text with lone surrogates, which are no characters, replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Role(StrEnum):
    """Who speaks, in the terms of chat-completion servers."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Finish(StrEnum):
    """Why the processor stopped."""

    STOP = "stop"
    LENGTH = "length"
    """The reply was cut at `Sampling.reply_tokens` or at the end of the window."""
    TOOL_CALLS = "tool_calls"
    FILTERED = "content_filter"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A native tool call as the server sent it, unparsed."""

    call_id: str
    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a window."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    """Native calls of an ASSISTANT message."""
    call_id: str | None = None
    """The call that a TOOL message answers."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a server with native calls is told of it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema of type object."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the processor samples one reply."""

    temperature: float
    reply_tokens: int
    seed: int | None = None
    server_options: Mapping[str, float | int | bool | str] = field(default_factory=dict)
    """Further parameters that this server knows, sent as they are."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the processor."""

    messages: tuple[Message, ...]
    sampling: Sampling
    tools: tuple[ToolSpec, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    """What the reply's text must fit; for servers that constrain their output."""
    tool_choice: str | None = None
    """The tool that must be called; None leaves it to the model."""
    parallel_tool_calls: bool | None = None
    """Whether one reply may hold several calls; None leaves it to the server."""
    stop: tuple[str, ...] = ()
    """Texts before which the reply ends."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them."""

    prompt_tokens: int = 0
    reply_tokens: int = 0
    cached_tokens: int = 0
    """The part of `prompt_tokens` that came from the server's prompt cache."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.reply_tokens + other.reply_tokens,
            self.cached_tokens + other.cached_tokens,
        )

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.reply_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the processor."""

    text: str
    finish: Finish
    usage: Usage = Usage()
    calls: tuple[ToolCall, ...] = ()
    model: str = ""
    """The name by which the server calls the model."""
    seconds: float = 0.0
    cached: bool = False
    """Whether it was given in answer to an earlier request, and `usage` spent then."""
    fingerprint: str = ""
    """What the server says of the build and settings that answered, if it does."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that the model asks for, parsed but not yet judged by the toolbox."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    call_id: str | None = None
    """The native call that asked for it; None in fenced text."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of an action, as the model is told."""

    text: str
    ok: bool
    call_id: str | None = None
