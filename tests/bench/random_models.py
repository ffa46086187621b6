"""Runs of the whole machine, boxes aside, with models that do anything at all."""

from __future__ import annotations

from bench.figures import Measured, figure
from random_machine import random_runs

RUNS = 10_000


@figure("runs", at_most=0)
def random_models_without_typed_outcome() -> Measured:
    """Of 10,000; one stops the measurement with its seed."""
    outcomes = random_runs(first_seed=0, runs=RUNS)
    told = ", ".join(f"{outcome.value} {number}" for outcome, number in outcomes.most_common())
    return Measured(RUNS - outcomes.total(), told)
