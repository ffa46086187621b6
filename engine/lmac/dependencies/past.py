"""What a journal tells of requirements that were decided before: no index is asked for them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lmac.journal import Event
from lmac_sandbox import PinnedWheel

GIVEN = "dependencies"
REFUSED = "dependencies_refused"
FAILED = "dependencies_failed"
"""Kinds of events; the last one decides nothing."""
KINDS = (GIVEN, REFUSED, FAILED)


@dataclass(frozen=True, slots=True)
class PastDecisions:
    """By the sha256 of the file."""

    pins: Mapping[str, tuple[PinnedWheel, ...]] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    """What was said of it."""


def past_decisions(events: Iterable[Event]) -> PastDecisions:
    """Those of a run, whatever else happened in it.

    Raises:
        ValueError: an event is not what this package writes.
    """
    pins: dict[str, tuple[PinnedWheel, ...]] = {}
    refusals: dict[str, str] = {}
    for event in events:
        try:
            if event.kind == GIVEN:
                pins[str(event.data["file_sha256"])] = _pins(event.data["pins"])
            elif event.kind == REFUSED:
                refusals[str(event.data["file_sha256"])] = str(event.data["text"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"event {event.seq}, {event.kind}: {error}") from error
    return PastDecisions(pins, refusals)


def _pins(told: Iterable[Mapping[str, Any]]) -> tuple[PinnedWheel, ...]:
    return tuple(PinnedWheel(**pin) for pin in told)
