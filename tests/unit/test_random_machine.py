"""Whatever a model or a box does, a run ends in a typed outcome and in time, and no server refuses it."""

from __future__ import annotations

from lmac.transitions import Outcome
from random_machine import random_runs


def test_three_hundred_random_models_end_in_typed_outcomes_and_no_request_is_refused() -> None:
    told = random_runs(first_seed=0, runs=300)

    assert told.refused == []
    assert told.outcomes.total() == 300
    assert told.completed_share > 0.1, "what is never completed tries little of the machine"
    assert set(told.outcomes) >= {
        Outcome.COMPLETED,
        Outcome.INSTRUCTION_GIVEN_UP,
        Outcome.BUDGET_SPENT,
        Outcome.MODEL_FAILED,
        Outcome.SANDBOX_FAILED,
    }
