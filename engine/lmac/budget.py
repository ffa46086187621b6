"""What a run may spend: reserved before each call, settled after it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum

from lmac.messages import Usage


class Spent(StrEnum):
    """Which limit stops a run."""

    TOKENS = "tokens"
    WALL_SECONDS = "wall seconds"
    CALLS = "calls"


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """None leaves a quantity free.

    Raises:
        ValueError: a limit is negative or no number.
    """

    tokens: int | None = None
    """Prompt and reply tokens of all calls together."""
    wall_seconds: float | None = None
    calls: int | None = None
    """Calls of the processor, failed ones too; the retries within one are not counted apart."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            # A limit that is no number would never be met.
            if value is not None and not value >= 0:
                raise ValueError(f"{field.name} is {value}; it must be 0 or more")


@dataclass(frozen=True, slots=True)
class Budget:
    """What was spent so far, against the limits."""

    limits: BudgetLimits
    usage: Usage = Usage()
    calls: int = 0

    def refuses(self, prompt_tokens: int, reply_tokens: int, elapsed_seconds: float) -> Spent | None:
        """The limit that the next call would pass, or None when it may be made.

        Args:
            prompt_tokens: Estimated size of the request.
            reply_tokens: The longest reply that it allows.
            elapsed_seconds: Wall time of the run so far.
        """
        limits = self.limits
        if limits.calls is not None and self.calls >= limits.calls:
            return Spent.CALLS
        if limits.wall_seconds is not None and elapsed_seconds >= limits.wall_seconds:
            return Spent.WALL_SECONDS
        reserved = self.usage.total_tokens + prompt_tokens + reply_tokens
        if limits.tokens is not None and reserved > limits.tokens:
            return Spent.TOKENS
        return None

    def settle(self, usage: Usage) -> Budget:
        """Count one call with what the server says that it used."""
        return replace(self, usage=self.usage + usage, calls=self.calls + 1)
