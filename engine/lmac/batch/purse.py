"""What all jobs of a batch together may spend: reserved before each call, settled after it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from lmac.batch.definition import BatchBudget
from lmac.batch.halt import Halt, Reason

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Sum:
    """Tokens, and money in the currency of the profiles' prices."""

    tokens: int = 0
    money: float = 0.0

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.tokens + other.tokens, self.money + other.money)

    def __sub__(self, other: Sum) -> Sum:
        return Sum(self.tokens - other.tokens, self.money - other.money)


class Purse:
    """Shared by all runs.

    A call that fits only once others have cost less than was reserved for them waits for that; one that does
    not fit in any case ends the batch.
    """

    def __init__(self, limits: BatchBudget, spent: Sum, halt: Halt) -> None:
        """
        Args:
            spent: By earlier starts of the batch.
        """
        self._limits = limits
        self._halt = halt
        self._spent = spent
        self._reserved = Sum()
        self._open = 0
        self._changed = threading.Condition()

    @property
    def spent(self) -> Sum:
        return self._spent

    def reserve(self, wanted: Sum) -> None:
        """Set aside what one call may cost at most; to be settled, whatever comes of the call.

        Raises:
            RunCancelled: it passes a limit, or the batch is over; nothing is set aside.
        """
        with self._changed:
            while (reason := self._passed(wanted)) is not None:
                if not self._open:
                    self._halt.set(reason)
                self._halt.check()
                self._changed.wait(_LOOK_SECONDS)
            self._reserved += wanted
            self._open += 1

    def settle(self, reserved: Sum, cost: Sum) -> None:
        """Count what a call has cost in place of what was set aside for it."""
        with self._changed:
            self._reserved -= reserved
            self._open -= 1
            self._spent += cost
            self._changed.notify_all()

    def add(self, cost: Sum) -> None:
        """Count what nobody could set aside: a failed try that a server may have worked on."""
        with self._changed:
            self._spent += cost

    def _passed(self, wanted: Sum) -> Reason | None:
        total = self._spent + self._reserved + wanted
        if self._limits.tokens is not None and total.tokens > self._limits.tokens:
            return Reason.TOKENS
        if self._limits.money is not None and total.money > self._limits.money:
            return Reason.MONEY
        return None
