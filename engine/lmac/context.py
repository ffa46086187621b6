"""The context window: what the processor sees next, metered in tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lmac.messages import Message, ToolSpec, Usage

MESSAGE_TOKENS = 8
"""Allowance for the role markers that a server's template puts around a message."""

CAUTION = 1.08
"""The estimate is raised by this share: an overflow costs a refused call, caution a few unused tokens."""

OPENING_CAUTION = 1.1
"""On top of that where no part of a window was counted yet."""

FIRST_RATIO = 3.0
"""Weight a token before a server has counted anything; low, since code and rare words make short tokens."""
SMALLEST_RATIO = 1.0
"""No tokenizer makes more tokens of a text than it has bytes."""
LARGEST_RATIO = 8.0
COUNTED_EXTRA_TOKENS = 2000
"""What a server's template may add beside the texts."""
FREED_CAUTION = 1.25
LEAST_COUNTED_TOKENS = 200
"""A shorter request says too little of the model's ratio."""

DENSE_WEIGHT = 3
"""Digits, signs and bytes beyond ASCII make short tokens: each weighs as much as so many letters."""
_LIGHT = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \n"

MASK_DOWN_TO = 0.6
"""Share of the limit that masking aims at: each time it happens, a server's prompt cache is lost once."""
LEAST_GAIN = 0.1
"""Share of the limit that masking must free; for less, a fresh window is the better way."""
BRIEF_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Size:
    """What a meter needs to know of some messages."""

    weight: int = 0
    """Bytes, the dense ones counted `DENSE_WEIGHT` times."""
    messages: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.weight + other.weight, self.messages + other.messages)


def size_of(messages: Iterable[Message]) -> Size:
    """Measured once a message: whoever holds messages keeps their size."""
    size = Size()
    for message in messages:
        called = sum(_weight(call.name) + _weight(call.arguments_json) for call in message.calls)
        size += Size(_weight(message.text) + called, 1)
    return size


def _tools_size(tools: Iterable[ToolSpec]) -> Size:
    told = (f"{tool.name}{tool.description}{json.dumps(tool.parameters)}" for tool in tools)
    return Size(sum(map(_weight, told)))


def _weight(text: str) -> int:
    encoded = text.encode("utf-8", "replace")
    dense = len(encoded.translate(None, _LIGHT))
    return len(encoded) + (DENSE_WEIGHT - 1) * dense


@dataclass(frozen=True, slots=True)
class TokenMeter:
    """Estimates tokens from the weight of texts, and learns the ratio from the server's own counts."""

    weight_per_token: float = FIRST_RATIO
    opening_weight_per_token: float = LARGEST_RATIO
    """The lowest that a window without turns has shown: what opens the next ones is much the same text."""

    def tokens(self, size: Size) -> int:
        """Estimated tokens, never less than one a message."""
        return int(size.weight / self.weight_per_token * CAUTION) + MESSAGE_TOKENS * size.messages

    def cautious(self) -> TokenMeter:
        """For texts that no server has counted yet: they may be denser than those it has."""
        return replace(self, weight_per_token=min(self.weight_per_token, FIRST_RATIO))

    def for_opening(self) -> TokenMeter:
        """For a window of which no server has counted anything."""
        lowest = min(self.weight_per_token, self.opening_weight_per_token)
        return replace(self, weight_per_token=lowest / OPENING_CAUTION)

    def refused(self) -> TokenMeter:
        """After a server called a request too long that was estimated to fit."""
        return replace(self, weight_per_token=max(self.weight_per_token * 0.85, SMALLEST_RATIO))

    def learn(self, size: Size, usage: Usage, opening: bool = False) -> TokenMeter:
        """Take the ratio that a request of this size showed; one too short to tell leaves it as it is.

        Args:
            opening: Of a window without turns.
        """
        counted = usage.prompt_tokens - MESSAGE_TOKENS * size.messages
        if counted < LEAST_COUNTED_TOKENS:
            return self
        ratio = min(max(size.weight / counted, SMALLEST_RATIO), LARGEST_RATIO)
        lowest = min(ratio, self.opening_weight_per_token) if opening else self.opening_weight_per_token
        return TokenMeter(ratio, lowest)


@dataclass(frozen=True, slots=True)
class Turn:
    """A reply with the answers to all its calls: kept together, or left out together."""

    messages: tuple[Message, ...]
    brief: tuple[Message, ...]
    """The same with one line of each answer; the reply itself, the action, stays."""
    spoken_tokens: int = 0
    """Of the first message, as the server counted the reply; 0 when it did not."""
    size: Size = field(init=False)
    brief_size: Size = field(init=False)

    def __post_init__(self) -> None:
        size = size_of(self.messages)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "brief_size", size if self.brief is self.messages else size_of(self.brief))

    @property
    def is_masked(self) -> bool:
        """Whether nothing more can be left out of it."""
        return self.brief_size.weight >= self.size.weight

    def masked(self) -> Turn:
        """What it looks like from now on; it never changes back, so that a prompt cache misses only once."""
        return Turn(self.brief, self.brief, self.spoken_tokens)

    def tokens(self, meter: TokenMeter) -> int:
        """The reply as it was counted, and an estimate of the rest."""
        spoken = size_of(self.messages[:1])
        if self.spoken_tokens * LARGEST_RATIO < spoken.weight:
            return meter.tokens(self.size)
        heard = Size(self.size.weight - spoken.weight, self.size.messages)
        return self.spoken_tokens + meter.tokens(heard)


def brief(text: str) -> str:
    """The first line of an observation, and how much more there was; a short text stays as it is."""
    lines = text.strip().splitlines() or [""]
    # A mark that is opened here would be closed in what is left out.
    first = lines[0].replace("<untrusted>", "").replace("</untrusted>", "").strip()[:BRIEF_CHARACTERS]
    shorter = f"{first} [older: {len(lines) - 1} more lines were left out to make room]".strip()
    return shorter if len(shorter) < len(text) else text


@dataclass(frozen=True, slots=True)
class Counted:
    """What a server said of the beginning of a window."""

    turns: int
    tokens: int
    """Of the prefix, the tools and that many turns."""


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
    counted: Counted | None = None
    known_size: Size | None = None
    """Carried along, so that a turn costs the same however many came before it; None: to be taken."""

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.prefix + tuple(message for turn in self.turns for message in turn.messages)

    @property
    def size(self) -> Size:
        """Of everything that a request sends."""
        if self.known_size is not None:
            return self.known_size
        fixed = size_of(self.prefix) + _tools_size(self.tools)
        return sum((turn.size for turn in self.turns), fixed)

    def measured(self) -> ContextWindow:
        """With its size taken; to be done again by whoever changes prefix, tools or turns."""
        return replace(self, known_size=replace(self, known_size=None).size)

    def append(self, turn: Turn) -> ContextWindow:
        return replace(self, turns=(*self.turns, turn), known_size=self.size + turn.size)

    def counted_as(self, prompt_tokens: int) -> ContextWindow:
        """With the server's own count of the whole of it, unless that is none of this window."""
        weight = self.size.weight
        plausible = weight / LARGEST_RATIO <= prompt_tokens <= weight + COUNTED_EXTRA_TOKENS
        return replace(self, counted=Counted(len(self.turns), prompt_tokens) if plausible else None)

    def tokens(self, meter: TokenMeter) -> int:
        """The server's count of what it has seen, and an estimate of the rest."""
        if self.counted is None:
            return meter.for_opening().tokens(self.size) + MESSAGE_TOKENS
        added = sum(turn.tokens(meter.cautious()) for turn in self.turns[self.counted.turns :])
        return self.counted.tokens + added + MESSAGE_TOKENS

    def overflows(self, meter: TokenMeter) -> bool:
        """Whether the next request with its reply would pass the limit."""
        return self.tokens(meter) + self.reply_tokens > self.limit_tokens

    def masked(self, meter: TokenMeter) -> tuple[ContextWindow, int]:
        """With its oldest observations cut to one line, and how many turns were cut; the last turn is kept.

        In one go down to `MASK_DOWN_TO` of the limit. Nothing is cut where that would not make the next
        request fit, or would free less than `LEAST_GAIN`.
        """
        target = self.limit_tokens * MASK_DOWN_TO - self.reply_tokens
        turns = list(self.turns)
        before = self.tokens(meter)
        freed = cut = 0
        for position, turn in enumerate(turns[:-1]):
            if before - freed <= target:
                break
            if turn.is_masked:
                continue
            turns[position] = turn.masked()
            freed += _freed(turn, turns[position], meter)
            cut += 1
        counted = self._counted_without(freed, 0)
        window = replace(self, turns=tuple(turns), counted=counted, known_size=None)
        if not cut or window.overflows(meter) or freed < self.limit_tokens * LEAST_GAIN:
            return self, 0
        return window, cut

    def without_oldest(self, meter: TokenMeter) -> ContextWindow:
        """Without its first turn, of which there must be one."""
        oldest, *turns = self.turns
        counted = self._counted_without(_freed(oldest, None, meter), 1)
        return replace(self, turns=tuple(turns), counted=counted, known_size=None)

    def shortened(self, meter: TokenMeter) -> ContextWindow:
        """Cut, as far as must be, for the next reply to fit: observations, then the oldest turns.

        Whole turns go, so that no answer of a tool loses its call; the last one stays. Source: L2MAC,
        Algorithm 1, line 5.
        """
        if not self.turns or not self.overflows(meter):
            return self
        *older, last = self.turns
        turns = [*(turn.masked() for turn in older), last]
        freed = sum(_freed(turn, short, meter) for turn, short in zip(older, turns, strict=False))
        room = self.limit_tokens - self.reply_tokens
        before = self.tokens(meter)
        dropped = 0
        for turn in turns[:-1]:
            if before - freed <= room:
                break
            freed += _freed(turn, None, meter)
            dropped += 1
        counted = self._counted_without(freed, dropped)
        window = replace(self, turns=tuple(turns[dropped:]), counted=counted, known_size=None)
        if not window.overflows(meter):
            return window
        return replace(window, turns=(last.masked(),), counted=None)

    def _counted_without(self, freed: int, dropped_turns: int) -> Counted | None:
        if self.counted is None or dropped_turns > self.counted.turns:
            return None
        return Counted(self.counted.turns - dropped_turns, max(self.counted.tokens - freed, 0))


def _freed(before: Turn, after: Turn | None, meter: TokenMeter) -> int:
    """Tokens that are saved at least: what is left out may have been the lighter part of what was counted."""
    weight = before.size.weight - (after.size.weight if after else 0)
    return int(weight / meter.weight_per_token / FREED_CAUTION)
