"""One door to a model's server for all runs that use it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from lmac.batch.halt import Halt
from lmac.batch.pace import Pace

_LOOK_SECONDS = 0.5
"""How long the end of the batch may go unseen."""


class CallLimiter:
    """Lets calls through in the order in which they came, as many at a time as the pace allows."""

    def __init__(self, pace: Pace, halt: Halt, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._halt = halt
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._under_way = 0

    @property
    def pace(self) -> Pace:
        """What was learned so far."""
        return self._pace

    def begin(self) -> float:
        """Wait for a turn; returns the time at which it began.

        Each turn ends with one of `answered`, `refused` and `ended`.

        Raises:
            RunCancelled: the batch is over; there is no turn.
        """
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while (wait_seconds := self._wait_seconds(ticket)) > 0:
                    self._changed.wait(min(wait_seconds, _LOOK_SECONDS))
                    self._halt.check()
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
            self._under_way += 1
            return self._clock()

    def answered(self, began: float, tokens: int) -> None:
        """The turn ended with a reply."""
        self._end(lambda pace, now: pace.answered(began, now, tokens))

    def refused(self, began: float, wait_seconds: float | None) -> None:
        """The turn ended because the server had too much to do."""
        self._end(lambda pace, now: pace.refused(began, now, wait_seconds))

    def ended(self) -> None:
        """The turn ended in a way that says nothing of the server's load."""
        self._end(lambda pace, _: pace)

    def _end(self, learned: Callable[[Pace, float], Pace]) -> None:
        with self._changed:
            self._under_way -= 1
            self._pace = learned(self._pace, self._clock())
            self._changed.notify_all()

    def _wait_seconds(self, ticket: object) -> float:
        """0 when it is this one's turn."""
        if self._waiting[0] is not ticket or self._under_way >= self._pace.at_once:
            return _LOOK_SECONDS
        return max(self._pace.resumes_at - self._clock(), 0.0)
