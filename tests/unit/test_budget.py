"""A budget refuses the call that would pass a limit, and counts what servers say was used."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.budget import Budget, BudgetLimits, Spent
from lmac.messages import Usage

COUNTS = st.integers(0, 1000)


def test_without_limits_every_call_may_be_made() -> None:
    assert Budget(BudgetLimits(), Usage(10**9, 10**9), 10**6).refuses(10**9, 10**9, 1e9) is None


@pytest.mark.parametrize(
    ("limits", "spent"),
    [
        (BudgetLimits(calls=3), Spent.CALLS),
        (BudgetLimits(wall_seconds=60), Spent.WALL_SECONDS),
        (BudgetLimits(tokens=129), Spent.TOKENS),
    ],
)
def test_the_limit_that_stands_in_the_way_is_named(limits: BudgetLimits, spent: Spent) -> None:
    assert Budget(limits, Usage(50, 50), calls=3).refuses(20, 10, elapsed_seconds=60) is spent


def test_a_call_that_just_fits_may_be_made() -> None:
    budget = Budget(BudgetLimits(tokens=130, wall_seconds=60, calls=4), Usage(50, 50), calls=3)

    assert budget.refuses(20, 10, elapsed_seconds=59.9) is None


@given(st.lists(st.tuples(COUNTS, COUNTS)), st.integers(0, 20_000))
def test_what_was_reserved_never_passes_the_limit(calls: list[tuple[int, int]], tokens: int) -> None:
    budget = Budget(BudgetLimits(tokens=tokens))
    for prompt_tokens, reply_tokens in calls:
        if budget.refuses(prompt_tokens, reply_tokens, 0.0) is None:
            budget = budget.settle(Usage(prompt_tokens, reply_tokens))

    assert budget.usage.total_tokens <= tokens


def test_settling_counts_tokens_and_calls() -> None:
    budget = Budget(BudgetLimits()).settle(Usage(5, 3, 2)).settle(Usage())

    assert (budget.usage, budget.calls) == (Usage(5, 3, 2), 2)


@pytest.mark.parametrize("value", [-1, math.nan, -math.inf])
def test_a_limit_that_could_never_be_met_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="wall_seconds"):
        BudgetLimits(wall_seconds=value)
