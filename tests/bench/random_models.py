"""Runs of the whole machine, boxes aside, with models that do anything at all and a server that is strict."""

from __future__ import annotations

from functools import cache

from bench.figures import Measured, figure
from random_machine import RandomRuns, random_runs

RUNS = 10_000


@cache
def _told() -> RandomRuns:
    return random_runs(first_seed=0, runs=RUNS)


@figure("runs", at_most=0)
def random_models_without_typed_outcome() -> Measured:
    """Of 10,000; one stops the measurement with its seed."""
    outcomes = _told().outcomes
    told = ", ".join(f"{outcome.value} {number}" for outcome, number in outcomes.most_common())
    return Measured(RUNS - outcomes.total(), told)


@figure("refused", at_most=0)
def random_models_refused() -> Measured:
    """Their requests that the strict server refused, but for too long ones where it holds less than said."""
    told = _told()
    first = f"; first {told.refused[0]}" if told.refused else ""
    also = f"servers smaller than said, or that count wrongly, refused {told.too_long} more"
    return Measured(len(told.refused), f"{told.calls} calls; {also}{first}")
