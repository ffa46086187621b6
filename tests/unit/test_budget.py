"""A budget refuses the call that would pass a limit, and counts what servers say was used."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.budget import Budget, BudgetLimits, InstructionBudget, Refusal, Scope, Spending, Spent
from lmac.messages import Usage
from lmac.models.profile import Prices

COUNTS = st.integers(0, 1000)
PRICES = Prices(prompt=1.0, cached_prompt=0.1, reply=10.0)


def test_without_limits_every_call_may_be_made() -> None:
    spent = Spending(Usage(10**9, 10**9), calls=10**6)

    assert Budget(BudgetLimits(), run=spent, instruction=spent).refuses(10**9, 10**9, 1e9) is None


@pytest.mark.parametrize(
    ("limits", "spent"),
    [
        ({"calls": 3}, Spent.CALLS),
        ({"wall_seconds": 60}, Spent.WALL_SECONDS),
        ({"tokens": 129}, Spent.TOKENS),
        ({"money": 0.000_6}, Spent.MONEY),
    ],
)
@pytest.mark.parametrize("scope", [Scope.RUN, Scope.INSTRUCTION])
def test_the_limit_that_stands_in_the_way_is_named(
    limits: dict[str, Any], spent: Spent, scope: Scope
) -> None:
    of_run, of_instruction = BudgetLimits(**limits), BudgetLimits(instruction=InstructionBudget(**limits))
    own = of_run if scope is Scope.RUN else of_instruction
    spending = Spending(Usage(50, 50), calls=3)
    budget = Budget(own, PRICES.cost, run=spending, instruction=spending)

    assert budget.refuses(20, 10, elapsed_seconds=60) == Refusal(spent, scope)


def test_a_call_that_just_fits_may_be_made() -> None:
    limits = BudgetLimits(tokens=130, wall_seconds=60, calls=4, money=0.000_671)
    budget = Budget(limits, PRICES.cost, Spending(Usage(50, 50), calls=3))

    assert budget.refuses(20, 10, elapsed_seconds=59.9) is None


@given(st.lists(st.tuples(COUNTS, COUNTS)), st.integers(0, 20_000))
def test_what_was_reserved_never_passes_the_limit(calls: list[tuple[int, int]], tokens: int) -> None:
    budget = Budget(BudgetLimits(tokens=tokens))
    for prompt_tokens, reply_tokens in calls:
        if budget.refuses(prompt_tokens, reply_tokens, 0.0) is None:
            budget = budget.settle(Usage(prompt_tokens, reply_tokens))

    assert budget.usage.total_tokens <= tokens


@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS)), st.floats(0, 0.01))
def test_no_money_is_spent_beyond_its_limit(calls: list[tuple[int, int, int]], money: float) -> None:
    budget = Budget(BudgetLimits(money=money), PRICES.cost)
    for prompt_tokens, reply_tokens, cached in calls:
        if budget.refuses(prompt_tokens, reply_tokens, 0.0) is None:
            budget = budget.settle(Usage(prompt_tokens, reply_tokens, min(cached, prompt_tokens)))

    assert PRICES.cost(budget.usage) <= money


def test_settling_counts_tokens_and_calls() -> None:
    budget = Budget(BudgetLimits()).settle(Usage(5, 3, 2)).settle(Usage())

    assert (budget.usage, budget.calls) == (Usage(5, 3, 2), 2)


def test_what_a_failed_call_may_have_cost_counts_against_the_limit_and_is_no_usage() -> None:
    budget = Budget(BudgetLimits(tokens=1000)).settle(Usage(), assumed_tokens=900)

    assert budget.usage == Usage()
    assert budget.refuses(90, 20, 0.0) == Refusal(Spent.TOKENS, Scope.RUN)


def test_each_instruction_has_a_share_of_its_own_and_the_run_counts_them_all() -> None:
    limits = BudgetLimits(calls=3, instruction=InstructionBudget(calls=2, wall_seconds=10))
    budget = Budget(limits).begin_instruction(0.0).settle(Usage()).settle(Usage())

    assert budget.refuses(1, 1, 5.0) == Refusal(Spent.CALLS, Scope.INSTRUCTION)
    following = budget.begin_instruction(5.0)
    assert following.refuses(1, 1, 14.9) is None
    assert following.refuses(1, 1, 15.0) == Refusal(Spent.WALL_SECONDS, Scope.INSTRUCTION)
    assert following.settle(Usage()).refuses(1, 1, 5.0) == Refusal(Spent.CALLS, Scope.RUN)


@pytest.mark.parametrize(
    ("limits", "spent"),
    [
        ({"tokens": 3_000}, Spent.TOKENS),
        ({"money": 0.003}, Spent.MONEY),
        ({"calls": 7}, Spent.CALLS),
        ({"wall_seconds": 32}, Spent.WALL_SECONDS),
    ],
)
def test_an_instruction_may_take_its_share_of_what_the_run_has_left(
    limits: dict[str, Any], spent: Spent
) -> None:
    call = Usage(600)
    budget = Budget(BudgetLimits(**limits), PRICES.cost).settle(call).begin_instruction(2.0, 1 / 3)
    first = budget.settle(call)

    assert first.refuses(0, 2, elapsed_seconds=11.0) is None
    assert first.settle(call).refuses(1, 2, elapsed_seconds=12.0) == Refusal(spent, Scope.SHARE)
    assert first.begin_instruction(12.0).settle(call).refuses(1, 2, elapsed_seconds=31.0) is None


def test_what_an_instruction_leaves_is_shared_by_those_after_it() -> None:
    budget = Budget(BudgetLimits(tokens=3_000)).begin_instruction(0.0, 1 / 3)
    following = budget.settle(Usage(100, 100)).begin_instruction(0.0, 1 / 2)

    assert (budget.share, following.share) == (
        InstructionBudget(tokens=1_000),
        InstructionBudget(tokens=1_400),
    )


def test_a_share_that_is_too_small_still_allows_the_first_call() -> None:
    budget = Budget(BudgetLimits(tokens=3_000)).begin_instruction(0.0, 1 / 30)

    assert budget.refuses(1_000, 1_000, 0.0) is None
    assert budget.settle(Usage(90, 20)).refuses(1, 1, 0.0) == Refusal(Spent.TOKENS, Scope.SHARE)


def test_the_program_is_no_instruction_s_cost() -> None:
    limits = BudgetLimits(instruction=InstructionBudget(calls=0))

    assert Budget(limits).refuses(1, 1, 0.0) is None


@pytest.mark.parametrize("value", [-1, math.nan, -math.inf])
@pytest.mark.parametrize("limits", [BudgetLimits, InstructionBudget])
def test_a_limit_that_could_never_be_met_is_refused(
    limits: type[BudgetLimits] | type[InstructionBudget], value: float
) -> None:
    with pytest.raises(ValueError, match="wall_seconds"):
        limits(wall_seconds=value)
