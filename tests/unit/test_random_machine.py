"""Whatever a model or a box does, a run ends in a typed outcome and within its calls."""

from __future__ import annotations

from lmac.transitions import Outcome
from random_machine import random_runs


def test_three_hundred_random_models_all_end_in_a_typed_outcome() -> None:
    outcomes = random_runs(first_seed=0, runs=300)

    assert outcomes.total() == 300
    assert set(outcomes) >= {
        Outcome.COMPLETED,
        Outcome.INSTRUCTION_GIVEN_UP,
        Outcome.BUDGET_SPENT,
        Outcome.MODEL_FAILED,
        Outcome.SANDBOX_FAILED,
    }
