"""The context window: what the processor sees next, metered in tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lmac.messages import Message, ToolSpec, Usage

MESSAGE_TOKENS = 8
"""Allowance for the role markers that a server's template puts around a message."""

CAUTION = 1.08
"""The estimate is raised by this share: an overflow costs a refused call, caution a few unused tokens."""


Turn = tuple[Message, ...]
"""A reply with the answers to all its calls: kept together, or left out together."""


@dataclass(frozen=True, slots=True)
class TokenMeter:
    """Estimates tokens from characters, and learns the model's ratio from the server's own counts."""

    characters_per_token: float = 3.0
    """Low to begin with: code and rare words make short tokens."""

    def tokens(self, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...] = ()) -> int:
        """Estimated tokens of a request, never less than one a message."""
        return int(_characters(messages, tools) / self.characters_per_token * CAUTION) + MESSAGE_TOKENS * (
            len(messages) + 1
        )

    def refused(self) -> TokenMeter:
        """After a server called a request too long that was estimated to fit."""
        return TokenMeter(max(self.characters_per_token * 0.85, 1.0))

    def learn(self, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...], usage: Usage) -> TokenMeter:
        """Take the ratio that this request showed; requests too short to tell leave it as it is."""
        counted = usage.prompt_tokens - MESSAGE_TOKENS * len(messages)
        if counted < 200:
            return self
        seen = _characters(messages, tools) / counted
        return TokenMeter(min(max(seen, 1.0), 6.0))


def _characters(messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> int:
    spoken = sum(len(m.text) + sum(len(c.name) + len(c.arguments_json) for c in m.calls) for m in messages)
    told = sum(len(t.name) + len(t.description) + len(json.dumps(t.parameters)) for t in tools)
    return spoken + told


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """A prefix that never changes, then turns that are only appended, so that a prompt cache hits.

    Source: L2MAC, Algorithm 1, lines 3 and 7 (the window limit c).
    """

    prefix: tuple[Message, ...]
    limit_tokens: int
    """What the server holds, prompt and reply together."""
    reply_tokens: int
    """Kept free for the next reply."""
    tools: tuple[ToolSpec, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    """What replies must fit, where the server constrains them."""
    turns: tuple[Turn, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.prefix + tuple(message for turn in self.turns for message in turn)

    def append(self, turn: Turn) -> ContextWindow:
        return replace(self, turns=(*self.turns, turn))

    def tokens(self, meter: TokenMeter) -> int:
        return meter.tokens(self.messages, self.tools)

    def overflows(self, meter: TokenMeter) -> bool:
        """Whether the next request with its reply would pass the limit."""
        return self.tokens(meter) + self.reply_tokens > self.limit_tokens

    def shortened(self, meter: TokenMeter) -> ContextWindow:
        """Without its oldest turns, as many as must go for the next reply to fit; the last one stays.

        Whole turns go, so that no answer of a tool loses its call. Source: L2MAC, Algorithm 1, line 5.
        """
        window = self
        while len(window.turns) > 1 and window.overflows(meter):
            window = replace(window, turns=window.turns[1:])
        return window
