"""Intervals and tests of a bench, against values that others have published or computed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.bench.statistics import mcnemar_exact, paired_bootstrap, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_the_published_one(successes: int, trials: int, low: float, high: float) -> None:
    interval = wilson(successes, trials)

    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_there_is_no_share_of_nothing() -> None:
    assert wilson(0, 0) is None


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_an_interval_holds_its_share_and_stays_within_0_and_1(counts: tuple[int, int]) -> None:
    interval = wilson(*counts)

    assert interval is not None
    assert 0 <= interval.low <= interval.value + 1e-12
    assert interval.value - 1e-12 <= interval.high <= 1


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        # Two-sided binomial tests with one half: 2 * sum of the smaller tail.
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 5, 0.0625),
        (1, 9, 0.021484375),
        (12, 3, 0.03515625),
    ],
)
def test_mcnemars_exact_p_is_that_of_the_binomial_test(only_first: int, only_second: int, p: float) -> None:
    assert mcnemar_exact(only_first, only_second) == pytest.approx(p)
    assert mcnemar_exact(only_second, only_first) == pytest.approx(p)


def test_mcnemars_exact_p_holds_for_thousands_of_pairs() -> None:
    assert mcnemar_exact(2000, 2000) == 1.0
    assert 0 < mcnemar_exact(900, 1100) < 1e-4


def test_a_difference_that_is_everywhere_the_same_has_no_spread() -> None:
    interval = paired_bootstrap([[0.25, 0.25], [0.25], [0.25, 0.25, 0.25]])

    assert interval is not None
    assert (interval.value, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_each_problem_weighs_the_same_however_many_seeds_it_has() -> None:
    interval = paired_bootstrap([[1.0] * 9, [0.0]])

    assert interval is not None
    assert interval.value == 0.5


def test_the_interval_of_many_problems_is_about_that_of_the_normal_distribution() -> None:
    # 200 problems, half +1 and half -1: standard error 1 / sqrt(200).
    interval = paired_bootstrap([[1.0] if number % 2 else [-1.0] for number in range(200)])

    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((-0.1386, 0.1386), abs=0.012)


def test_the_same_results_give_the_same_interval() -> None:
    groups = [[0.1, 0.4], [-0.2], [0.3, 0.0, 0.5]]

    assert paired_bootstrap(groups) == paired_bootstrap(groups)


def test_there_is_no_difference_without_pairs() -> None:
    assert paired_bootstrap([]) is None
