"""What an audit of a recorded run compares, and what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from lmac.errors import Divergence
from lmac.recording.parts import Part, Parts, differing

T = TypeVar("T")

FURTHER_TRIES = 3
"""Executions after one that did not give what was recorded; what comes out alike in all of them is steady."""


class What(StrEnum):
    """What differs."""

    ORDER = "what the run is made of"
    PROMPT = "prompt"
    REPLY = "reply"
    VERDICT = "verdict"
    ANSWER = "answer of a program"
    STORE = "store"
    DECISION = "decision"
    """Another event comes about, or one that says something else."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was recorded."""

    seq: int
    """Of the event, as it was recorded."""
    kind: str
    """Of the event."""
    what: What
    field: str
    """Of the event, or of the report: the first that differs; `kind` when it is another event."""
    recorded: str
    now: str
    detail: tuple[str, ...] = ()
    """In lines: a unified diff of the request's text; the tests that came out otherwise."""


@dataclass(frozen=True, slots=True)
class ChangedMind:
    """A test, or what else a check or program says, that differs between executions of the same files."""

    source: str
    """The check, or the program."""
    aspect: str
    name: str
    """Of the test, or the place."""
    outcomes: tuple[str, ...]
    """As recorded, then of each execution now; "" where it said nothing."""


@dataclass(frozen=True, slots=True)
class Flaky:
    """A verdict that was not repeated because something in it changes its mind."""

    seq: int
    kind: str
    changes: tuple[ChangedMind, ...]


Found = Difference | Flaky


@dataclass(slots=True)
class Audit:
    """Collects what is found; the first difference ends the audit unless it shall keep going."""

    keep_going: bool = False
    listener: Callable[[Found], None] = lambda _: None
    differences: list[Difference] = field(default_factory=list)
    flaky: list[Flaky] = field(default_factory=list)
    events: int = 0
    requests: int = 0
    verdicts: int = 0
    """Results of checks that were executed again."""
    answers: int = 0
    """Of programs that were executed again."""
    box_seconds: float = 0.0
    """For which checks and programs were executed again."""

    def hear(self, difference: Difference) -> None:
        """Keep a difference.

        Raises:
            Divergence: the audit shall not keep going.
        """
        self.differences.append(difference)
        self.listener(difference)
        if not self.keep_going:
            raise Divergence(f"event {difference.seq} ({difference.kind}): {difference.what.value} differs")

    @contextmanager
    def boxes(self) -> Iterator[None]:
        """Count the time of the block as that of executions."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.box_seconds += time.monotonic() - began

    def compare(self, seq: int, kind: str, what: What, recorded: Parts, execute: Callable[[], Parts]) -> None:
        """Execute something again, more than once if it gives anything else than was recorded.

        What differs between two executions now is flaky; what differs from the recording alone has changed.

        Raises:
            Divergence: as `hear`.
        """
        tries = [execute()]
        odd = differing(recorded, tries[0])
        varying: frozenset[Part] = frozenset()
        while _unexplained(odd, varying) and len(tries) <= FURTHER_TRIES:
            tries.append(execute())
            varying |= differing(tries[0], tries[-1])
        if varying & odd:
            changes = (_change(part, (recorded, *tries)) for part in sorted(varying))
            found = Flaky(seq, kind, tuple(changes))
            self.flaky.append(found)
            self.listener(found)
        if changed := sorted(_unexplained(odd, varying)):
            self.hear(_difference(seq, kind, what, changed, recorded, tries[0]))


def _unexplained(odd: frozenset[Part], varying: frozenset[Part]) -> frozenset[Part]:
    """Parts that no flaky one accounts for: a verdict that varies with its tests is theirs."""
    unsteady = {part.source for part in varying}
    return frozenset(part for part in odd - varying if part.aspect or part.source not in unsteady)


def _change(part: Part, executions: tuple[Parts, ...]) -> ChangedMind:
    return ChangedMind(*part, outcomes=tuple(one.get(part, "") for one in executions))


def _difference(
    seq: int,
    kind: str,
    what: What,
    changed: list[Part],
    recorded: Mapping[Part, str],
    now: Mapping[Part, str],
) -> Difference:
    first = changed[0]
    detail = tuple(line for part in changed for line in _told(part, recorded.get(part), now.get(part)))
    source = f"{first.source}: {first.aspect} {first.name}".rstrip(": ")
    return Difference(seq, kind, what, source, recorded.get(first, ""), now.get(first, ""), detail)


def _told(part: Part, recorded: str | None, now: str | None) -> Iterator[str]:
    """One thing that changed, in lines."""
    yield f"{part.source}: {part.aspect} {part.name}".rstrip(": ")
    for sign, said in (("-", recorded), ("+", now)):
        for line in () if said is None else said.splitlines() or [""]:
            yield f"{sign} {line}"
