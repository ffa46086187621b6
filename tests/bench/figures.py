"""What a figure is, and the list of all of them. A new figure is one decorated function."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """What a value has to keep to."""

    bound: float
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        """Whether the value keeps to it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Measured:
    """One value, in the figure's unit."""

    value: float
    compared_to: str = ""
    """The same thing done another way, with what that took in this very run."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A named figure and how it is measured."""

    name: str
    unit: str
    goal: Goal | None
    measure: Callable[[], Measured]


FIGURES: dict[str, Figure] = {}
"""By name."""


def figure(
    unit: str, at_most: float | None = None, at_least: float | None = None
) -> Callable[[Callable[[], Measured]], Callable[[], Measured]]:
    """Enter a function as the figure of its name.

    Args:
        at_most: The goal, or
        at_least: the goal; neither when it is only watched.
    """
    goal = Goal(at_most) if at_most is not None else None
    if at_least is not None:
        goal = Goal(at_least, at_least=True)

    def entered(measure: Callable[[], Measured]) -> Callable[[], Measured]:
        FIGURES[measure.__name__] = Figure(measure.__name__, unit, goal, measure)
        return measure

    return entered


def median_seconds(times: int, action: Callable[[], object]) -> float:
    """The median over that many calls."""
    return statistics.median(seconds(action) for _ in range(times))


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
