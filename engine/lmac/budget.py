"""What a run, and each of its instructions, may spend: reserved before each call, settled after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from lmac.messages import Usage

Cost = Callable[[Usage], float]
"""What tokens cost, in the currency of the profile's prices."""


class Spent(StrEnum):
    """Which limit stops a run, or an instruction."""

    TOKENS = "tokens"
    MONEY = "money"
    WALL_SECONDS = "wall seconds"
    CALLS = "calls"


class Scope(StrEnum):
    """Whose limit it is."""

    RUN = "run"
    INSTRUCTION = "instruction"
    SHARE = "share"
    """An instruction's part of what the run has left, so that those after it get their turn."""


def _demand_limits(limits: Any) -> None:
    for name in (field.name for field in fields(limits) if field.name != "instruction"):
        value = getattr(limits, name)
        # A limit that is no number would never be met.
        if value is not None and not value >= 0:
            raise ValueError(f"{name} is {value}; it must be 0 or more")


@dataclass(frozen=True, slots=True)
class InstructionBudget:
    """For one instruction, all its windows and its summary together. None leaves a quantity free.

    Raises:
        ValueError: a limit is negative or no number.
    """

    tokens: int | None = None
    money: float | None = None
    wall_seconds: float | None = None
    calls: int | None = None

    def __post_init__(self) -> None:
        _demand_limits(self)


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """For the run. None leaves a quantity free.

    Raises:
        ValueError: a limit is negative or no number.
    """

    tokens: int | None = None
    """Prompt and reply tokens of all calls together."""
    money: float | None = None
    """In the currency of the profile's prices."""
    wall_seconds: float | None = None
    calls: int | None = None
    """Calls of the processor; a failed one counts, and so does each further try of it."""
    instruction: InstructionBudget = InstructionBudget()

    def __post_init__(self) -> None:
        _demand_limits(self)

    @property
    def names_money(self) -> bool:
        """Whether prices must be known."""
        return self.money is not None or self.instruction.money is not None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The limit that the next call would pass."""

    spent: Spent
    scope: Scope


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent so far, by the run or within one instruction."""

    usage: Usage = Usage()
    """As servers counted it."""
    assumed_tokens: int = 0
    """Estimated prompts of calls that failed: a server that broke off says nothing of what it read."""
    calls: int = 0
    began_seconds: float = 0.0
    """Of the run's clock."""

    def settled(self, usage: Usage, assumed_tokens: int) -> Spending:
        return replace(
            self,
            usage=self.usage + usage,
            assumed_tokens=self.assumed_tokens + assumed_tokens,
            calls=self.calls + 1,
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """What was spent, against the limits of the run and of the instruction at hand."""

    limits: BudgetLimits
    cost: Cost | None = None
    """None: no price is known, and no limit of money is met."""
    run: Spending = Spending()
    instruction: Spending | None = None
    """None before the first instruction: the program is the run's own."""
    share: InstructionBudget | None = None
    """Of the instruction at hand; None for the last one, which may take all that is left."""

    @property
    def usage(self) -> Usage:
        return self.run.usage

    @property
    def calls(self) -> int:
        return self.run.calls

    def refuses(self, prompt_tokens: int, reply_tokens: int, elapsed_seconds: float) -> Refusal | None:
        """The limit that the next call would pass, or None when it may be made. The run's come first.

        A share is no hard limit: it never refuses an instruction its first call, and reserves no reply.

        Args:
            prompt_tokens: Estimated size of the request.
            reply_tokens: The longest reply that it allows.
            elapsed_seconds: Wall time of the run so far, or until the call can begin.
        """
        wanted = Usage(prompt_tokens, reply_tokens)
        if spent := self._spent(self.limits, self.run, wanted, elapsed_seconds):
            return Refusal(spent, Scope.RUN)
        if self.instruction is None:
            return None
        if spent := self._spent(self.limits.instruction, self.instruction, wanted, elapsed_seconds):
            return Refusal(spent, Scope.INSTRUCTION)
        if self.share is None or not self.instruction.calls:
            return None
        if spent := self._spent(self.share, self.instruction, Usage(prompt_tokens), elapsed_seconds):
            return Refusal(spent, Scope.SHARE)
        return None

    def settle(self, usage: Usage, assumed_tokens: int = 0) -> Budget:
        """Count one call with what the server says that it used, or what is assumed where it says nothing."""
        return replace(
            self,
            run=self.run.settled(usage, assumed_tokens),
            instruction=self.instruction and self.instruction.settled(usage, assumed_tokens),
        )

    def begin_instruction(self, elapsed_seconds: float, part: float = 1.0) -> Budget:
        """From here on calls count for a new instruction, too.

        Args:
            part: Its part of what the run has left; the rest is for those after it.
        """
        share = self._share(elapsed_seconds, part) if part < 1 else None
        return replace(self, instruction=Spending(began_seconds=elapsed_seconds), share=share)

    def affords(self, calls: int, prompt_tokens: int, reply_tokens: int, elapsed_seconds: float) -> bool:
        """Whether the run may spend as much as so many calls of this size would."""
        limits = self.limits
        if limits.calls is not None and self.run.calls + calls > limits.calls:
            return False
        wanted = Usage(calls * prompt_tokens, calls * reply_tokens)
        return self._spent(limits, self.run, wanted, elapsed_seconds) is None

    def _share(self, elapsed_seconds: float, share: float) -> InstructionBudget:
        limits, spent = self.limits, self.run.usage + Usage(self.run.assumed_tokens)

        def part(limit: float | None, used: float) -> float | None:
            return None if limit is None else max(0.0, limit - used) * share

        tokens, calls = part(limits.tokens, spent.total_tokens), part(limits.calls, self.run.calls)
        return InstructionBudget(
            tokens=None if tokens is None else int(tokens),
            money=part(limits.money, self.cost(spent)) if self.cost else None,
            wall_seconds=part(limits.wall_seconds, elapsed_seconds),
            calls=None if calls is None else int(calls),
        )

    def _spent(
        self,
        limits: BudgetLimits | InstructionBudget,
        spending: Spending,
        wanted: Usage,
        elapsed_seconds: float,
    ) -> Spent | None:
        if limits.calls is not None and spending.calls >= limits.calls:
            return Spent.CALLS
        if (
            limits.wall_seconds is not None
            and elapsed_seconds - spending.began_seconds >= limits.wall_seconds
        ):
            return Spent.WALL_SECONDS
        # What the cache will serve is not known before the call: all of it is reserved at the full price.
        reserved = spending.usage + Usage(spending.assumed_tokens) + wanted
        if limits.tokens is not None and reserved.total_tokens > limits.tokens:
            return Spent.TOKENS
        if limits.money is not None and self.cost is not None and self.cost(reserved) > limits.money:
            return Spent.MONEY
        return None
