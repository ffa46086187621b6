"""The tape: what a journal recorded, in the order in which a run comes by it once more.

A run's state is never written down as such. Whoever wants it back carries the run out again with the journal
as its tape: effects give what they gave, and every event has to be the one that was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from lmac.errors import Divergence
from lmac.journal.event import Event, Line, as_json

R = TypeVar("R")

RESUMED = "resumed"
STOPPED = "stopped"
SURROUNDINGS = frozenset(
    {
        *("reap_failed", "keeper_replaced", "server_starting", "run_lock", "server_said"),
        *("response_cache", "response_cache_fault", "dependencies_failed"),
    }
)
"""Events of what a run stands on: each time that it is carried out has its own."""
TIMES = frozenset({"seconds"})
"""Keys, at any depth, of what nothing depends on and no two executions have alike."""


class Effect(StrEnum):
    """What reaches beyond the control unit and its store."""

    MODEL = "model"
    """Calls of the processor, with their retries."""
    SERVER = "server"
    """What the model's server says of itself."""
    CHECKS = "checks"
    """Evaluations: of the store, of candidates, by an acceptance suite."""
    TOOLS = "tools"
    """Answers of programs in boxes that a model, or a window, asked for."""


def _refuse(divergence: Divergence) -> None:
    raise divergence


@dataclass(frozen=True, slots=True)
class Policy:
    """How a recording is gone through: `Policy()` is that of a run that is resumed."""

    taken: frozenset[Effect] = frozenset(Effect)
    """Effects whose results come from the tape; the others are had again, and compared."""
    goes_on: bool = True
    """Whether the run goes on where the recording ends, in the same journal."""
    passed_over: frozenset[str] = SURROUNDINGS
    """Kinds of events that are not compared."""
    not_compared: frozenset[str] = TIMES
    """Keys of events, at any depth."""
    drift: frozenset[str] = frozenset()
    """Keys of `run_opened` that may differ."""
    heard: Callable[[Divergence], None] = _refuse
    """Told of an event of the right kind with other data; what it raises ends the run."""


class Tape:
    """A recording, and how far a run is in it.

    Args:
        lines: As `history` gives them.
    """

    def __init__(self, lines: Sequence[Line], policy: Policy) -> None:
        self.policy = policy
        self.lost_calls = 0
        """Calls of the model, beyond what the tape holds now, to which no reply was kept."""
        self._lines = list(lines[: _end_of(lines)])
        self._next = 0
        self._last_seq = -1
        self._elapsed_ms = 0
        self._at_ms: int | None = None
        self._before_found: tuple[int, int, int, int | None] | None = None
        self._pass_over()

    @property
    def ended(self) -> bool:
        return self._next >= len(self._lines)

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(line.event for line in self._lines)

    @property
    def last_seq(self) -> int:
        """Of the last event that was come by; -1 before the first."""
        return self._last_seq

    @property
    def elapsed_ms(self) -> int:
        """Of the run's clock, at the last event that was come by."""
        return self._elapsed_ms

    def find(
        self, kinds: Collection[str], past: Collection[str] = (), asked: Mapping[str, object] | None = None
    ) -> Event | None:
        """The event with which the effect at hand ended: the next one, but for those of its own course.

        It is the next event afterwards. None when the recording ends before the effect did, and so does the
        tape then.

        Args:
            kinds: One of which the effect ended with.
            past: Kinds of events that tell of its course.
            asked: What the event says of what was asked for.

        Raises:
            Divergence: the run did something else there, or asked for something else.
        """
        place, own = self._next, self.policy.passed_over | {RESUMED, *past}
        while place < len(self._lines) and self._lines[place].event.kind in own:
            place += 1
        self._before_found = self._where
        if place >= len(self._lines):
            self.cut()
            return None
        event = self._lines[place].event
        if event.kind not in kinds:
            raise Divergence.at(event.seq, event.kind, "kind", event.kind, " or ".join(kinds))
        for name, value in (asked or {}).items():
            if event.data.get(name) != value:
                self.policy.heard(Divergence.at(event.seq, event.kind, name, event.data.get(name), value))
        while self._next < place:
            self._advance()
        return event

    def compare(self, kind: str, data: Mapping[str, object]) -> Event:
        """The recorded event in place of the one that has just come about.

        Raises:
            Divergence: they differ.
        """
        line = self._lines[self._next]
        event = line.event
        if event.kind != kind:
            raise Divergence.at(event.seq, event.kind, "kind", event.kind, kind)
        now = as_json(data)
        if now != line.data_json:
            left_out = self.policy.not_compared | (self.policy.drift if kind == "run_opened" else frozenset())
            found = first_difference(event.data, json.loads(now), left_out)
            if found is not None:
                self.policy.heard(Divergence.at(event.seq, kind, *found))
        self._advance()
        return event

    def skip(self) -> None:
        """Go past the next event, which was found."""
        self._advance()

    def cut(self) -> None:
        """Let the recording end before the effect whose end was found: it is of no use any more."""
        self._where = self._before_found or self._where
        left = self._lines[self._next :]
        self.lost_calls += sum(line.event.kind == "request" for line in left)
        del self._lines[self._next :]

    @property
    def _where(self) -> tuple[int, int, int, int | None]:
        return self._next, self._last_seq, self._elapsed_ms, self._at_ms

    @_where.setter
    def _where(self, where: tuple[int, int, int, int | None]) -> None:
        self._next, self._last_seq, self._elapsed_ms, self._at_ms = where

    def _advance(self) -> None:
        self._come_by(self._lines[self._next])
        self._pass_over()

    def _pass_over(self) -> None:
        kinds = self.policy.passed_over | {RESUMED}
        while not self.ended and self._lines[self._next].event.kind in kinds:
            self._come_by(self._lines[self._next])

    def _come_by(self, line: Line) -> None:
        """Note an event; the time for which nobody carried the run out does not count."""
        at_ms = milliseconds(line.event.at)
        if self._at_ms is not None and line.event.kind != RESUMED:
            self._elapsed_ms += at_ms - self._at_ms
        self._at_ms, self._last_seq = at_ms, line.event.seq
        self._next += 1


def history(lines: Iterable[Line]) -> list[Line]:
    """The lines that count."""
    return counting(lines, lambda line: line.event)


def counting(recorded: Iterable[R], event_of: Callable[[R], Event]) -> list[R]:
    """What counts: a run that was resumed went on before what its `resumed` leaves behind."""
    kept: list[R] = []
    for one in recorded:
        event = event_of(one)
        if event.kind == RESUMED:
            while kept and event_of(kept[-1]).seq > event.data["after"]:
                kept.pop()
        kept.append(one)
    return kept


def first_difference(
    recorded: object, now: object, left_out: frozenset[str] = frozenset(), place: str = ""
) -> tuple[str, Any, Any] | None:
    """Where two JSON values differ first, and how; None when they do not.

    Args:
        left_out: Keys that are not compared, at any depth.
    """
    match recorded, now:
        case dict(), dict():
            for key in [*recorded, *(key for key in now if key not in recorded)]:
                if key not in left_out:
                    inner = f"{place}.{key}" if place else str(key)
                    if found := first_difference(recorded.get(key), now.get(key), left_out, inner):
                        return found
            return None
        case list(), list():
            if len(recorded) != len(now):
                return f"{place}.length", len(recorded), len(now)
            for number, (one, other) in enumerate(zip(recorded, now, strict=True)):
                if found := first_difference(one, other, left_out, f"{place}[{number}]"):
                    return found
            return None
        case _:
            return None if recorded == now else (place, recorded, now)


def milliseconds(at: str) -> int:
    """A journal's time as a number."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def _end_of(lines: Sequence[Line]) -> int:
    """Where a run that was stopped goes on: before the first event of its ending.

    A call of the model that failed for good is made again.
    """
    kinds = [line.event.kind for line in lines]
    if STOPPED not in kinds:
        return len(lines)
    end = kinds.index(STOPPED)
    calls = [place for place in range(end) if kinds[place] in ("request", "reply", "model_error")]
    failed = lines[end].event.data["outcome"] == "model failed"
    return calls[-1] if failed and calls and kinds[calls[-1]] == "model_error" else end
