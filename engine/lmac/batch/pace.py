"""How many calls one server gets at a time, learned from its answers. Pure: time comes in as numbers.

One more for each round of calls that went well, a fifth fewer where refusals grow: as TCP finds its rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

BACK_OFF = 0.8
"""The part of the calls at a time that is left where refusals come of their number."""
SLOWER = 0.8
"""The part of the calls at a time that is left where the server answers ever more slowly."""
SAMPLE = 8
"""Calls that say something about a share."""
MEMORY = 4 * SAMPLE
"""Calls after which older ones count half."""
AS_BEFORE = 0.6
"""Of the share of refusals before the limit was lowered: one this high does not come of the limit."""
MARGIN = 0.1
"""Of a share: what chance may add."""
SLOW_TIMES = 4.0
"""How much longer than at its best a server may take for a token before it gets fewer calls."""
SMOOTHING = 0.2
FORGETTING = 1.02
"""With each answer: a best that is never met again counts less and less."""
CALL_TOKENS = 100
"""A call's own cost, as if it were so many tokens: what a short reply takes says little of the load."""
PAUSING_REFUSALS = 4
"""In a row, without a call that went well between them: now nobody asks for a while."""
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers and refusals since the limit was lowered or given back."""

    answered: float = 0
    refused: float = 0

    @property
    def total(self) -> float:
        return self.answered + self.refused

    @property
    def share(self) -> float:
        """Of refusals."""
        return self.refused / self.total if self.total else 0.0

    def counted(self, answered: int = 0, refused: int = 0) -> Tally:
        faded = 0.5 if self.total >= MEMORY else 1.0
        return Tally(self.answered * faded + answered, self.refused * faded + refused)


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of one server."""

    most: int
    """The user's cap."""
    limit: float
    """Calls at a time; at least 1, at most `most`."""
    changed_at: float = -math.inf
    """When it was lowered or given back: what began before tells nothing about it."""
    tally: Tally = Tally()
    lowered_from: tuple[float, float] | None = None
    """Limit and share of refusals before the last refusal lowered it."""
    base_share: float = 0.0
    """Of calls, the part that this server refuses however few it gets."""
    refusals_in_row: int = 0
    resumes_at: float = -math.inf
    """No call begins before."""
    token_seconds: float | None = None
    """Smoothed; None before the first answer."""
    best_token_seconds: float = math.inf

    @classmethod
    def of(cls, most: int, first: int = 4) -> Pace:
        """Nothing is known yet.

        Args:
            first: Calls at a time to begin with.
        """
        return cls(most, float(min(most, first)))

    @property
    def at_once(self) -> int:
        """Calls that may be under way together."""
        return int(self.limit)

    def answered(self, began: float, now: float, tokens: int) -> Pace:
        """A call came back with its reply.

        Args:
            tokens: Of prompt and reply, those from a cache left out.
        """
        known = replace(self._timed((now - began) / (tokens + CALL_TOKENS)), refusals_in_row=0)
        if began < self.changed_at:
            return known
        tally = known.tally.counted(answered=1)
        base_share = known.base_share
        if tally.total >= 2 * SAMPLE:
            base_share = min(base_share, tally.share + MARGIN)
        known = replace(known, tally=tally, base_share=base_share)
        if known._is_slow():
            # Only after a sample: what was lowered just now shows its effect first.
            slower = max(known.limit * SLOWER, 1.0)
            return (
                known if tally.total < SAMPLE else replace(known, limit=slower, tally=Tally(), changed_at=now)
            )
        return replace(known, limit=min(known.limit + 1 / known.limit, float(known.most)))

    def refused(self, began: float, now: float, wait_seconds: float | None) -> Pace:
        """A call came back with 429, or the server was too busy to answer in another way.

        Args:
            wait_seconds: The server's own wish.
        """
        in_row = self.refusals_in_row + 1
        known = replace(self, refusals_in_row=in_row)
        if in_row >= PAUSING_REFUSALS:
            pause = wait_for(wait_seconds, in_row - PAUSING_REFUSALS)
            known = replace(known, resumes_at=max(known.resumes_at, now + pause))
        if began < self.changed_at:
            return known
        known = replace(known, tally=known.tally.counted(refused=1))
        if in_row < PAUSING_REFUSALS and (known.tally.total < SAMPLE or known._is_as_ever()):
            return known
        if known._lowered_for_nothing():
            return known._given_back(now)
        return known._lowered(now)

    def _is_as_ever(self) -> bool:
        """Whether no more calls are refused than are refused in any case."""
        return self.base_share > 0 and self.tally.share <= 1.5 * self.base_share + MARGIN

    def _lowered_for_nothing(self) -> bool:
        """Whether of fewer calls the same part is refused, so that it does not come of their number."""
        if self.lowered_from is None or self.tally.total < SAMPLE:
            return False
        limit, share = self.lowered_from
        return limit > self.limit and self.tally.share >= max(AS_BEFORE * share, MARGIN)

    def _given_back(self, now: float) -> Pace:
        limit = self.lowered_from[0] if self.lowered_from else self.limit
        return replace(
            self,
            limit=limit,
            base_share=self.tally.share,
            lowered_from=None,
            tally=Tally(),
            changed_at=now,
        )

    def _lowered(self, now: float) -> Pace:
        if self.limit <= 1:
            return self
        return replace(
            self,
            limit=max(self.limit * BACK_OFF, 1.0),
            changed_at=now,
            tally=Tally(),
            lowered_from=(self.limit, self.tally.share),
        )

    def _timed(self, seconds: float) -> Pace:
        before = self.token_seconds
        smoothed = seconds if before is None else before + SMOOTHING * (seconds - before)
        best = min(self.best_token_seconds * FORGETTING, smoothed)
        return replace(self, token_seconds=smoothed, best_token_seconds=best)

    def _is_slow(self) -> bool:
        return self.token_seconds is not None and self.token_seconds > SLOW_TIMES * self.best_token_seconds


def wait_for(wait_seconds: float | None, tries: int) -> float:
    """How long to wait before the next try: as the server wishes, or twice as long each time."""
    if wait_seconds is not None:
        return max(wait_seconds, 0.0)
    return float(min(FIRST_WAIT_SECONDS * 2 ** min(tries, 20), LONGEST_WAIT_SECONDS))
