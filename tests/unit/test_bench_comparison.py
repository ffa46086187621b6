"""What the results of a bench say, and how it is shown."""

from __future__ import annotations

from bench_results import bench_result
from lmac.bench.comparison import compare, render_comparison

RESULTS = (
    *(bench_result(f"p{number}", "single", passed=number < 4) for number in range(10)),
    *(bench_result(f"p{number}", "lmac", passed=number != 0 and number < 8) for number in range(10)),
)


def test_rates_tell_passes_costs_and_the_cached_share() -> None:
    single, lmac = compare("systems", RESULTS).rates

    assert (single.condition, single.items, single.passes) == ("single", 10, 4)
    assert (lmac.passes, lmac.passed.value) == (7, 0.7)
    assert (lmac.prompt_tokens, lmac.reply_tokens, lmac.cached_share, lmac.calls) == (100, 50, 0.4, 2)
    assert round(single.acceptance_share, 3) == round((4 + 6 * 0.25) / 10, 3)


def test_pairs_tell_what_was_repaired_and_what_was_lost() -> None:
    (pairs,) = compare("systems", RESULTS).comparisons

    assert (pairs.first, pairs.second) == ("lmac", "single")
    assert (pairs.both, pairs.only_first, pairs.only_second, pairs.neither) == (3, 4, 1, 2)
    assert pairs.p == 0.375
    assert pairs.repaired is not None
    assert pairs.lost is not None
    assert (round(pairs.repaired.value, 4), pairs.lost.value) == (round(4 / 6, 4), 0.25)


def test_problems_that_only_one_condition_has_are_in_no_pair() -> None:
    (pairs,) = compare("systems", [*RESULTS, bench_result("p99", "lmac")]).comparisons

    assert pairs.both + pairs.only_first + pairs.only_second + pairs.neither == 10


def test_a_pair_is_of_one_and_the_same_form_of_a_problem() -> None:
    changed = [result.model_copy(update={"problem_digest": "changed"}) for result in RESULTS[:1]]

    (pairs,) = compare("systems", [*RESULTS, *changed]).comparisons

    assert pairs.both + pairs.only_first + pairs.only_second + pairs.neither == 9


def test_results_of_another_suite_or_an_earlier_config_do_not_count() -> None:
    earlier = bench_result("p0", "single", config_digest="earlier")
    foreign = bench_result("p0", "single", suite="humaneval")

    single = compare("systems", [foreign, earlier, *RESULTS]).rates[0]

    assert (single.items, single.earlier) == (10, 1)


def test_a_broken_off_suite_is_measured_by_all_of_its_tests() -> None:
    broken = bench_result("p0", "lmac", passed=False, acceptance_passed=1, acceptance_total=1)

    rates = compare("systems", [bench_result("p0", "single"), broken]).rates

    assert [rate.acceptance_share for rate in rates] == [1.0, 0.25]


def test_the_tables_hold_rates_and_pairs() -> None:
    text = render_comparison(compare("systems", RESULTS))

    assert "| lmac | m | 0 | 10 | 7 (70.0%) | 39.7% to 89.2% |" in text
    assert "| lmac and single | m | 3 | 4 | 1 | 2 | 0.375 | 66.7% (30.0% to 90.3%) |" in text
