"""What results say of conditions: rates with their intervals, pairs, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lmac.bench.ledger import BenchResult
from lmac.bench.statistics import Interval, mcnemar_exact, paired_bootstrap, wilson

REFERENCE = "lmac"

Pair = tuple[BenchResult, BenchResult]


@dataclass(frozen=True, slots=True)
class Rate:
    """One condition of one model; means are for each item."""

    condition: str
    model: str
    temperature: float
    items: int
    passes: int
    passed: Interval
    acceptance_share: float
    """Of the acceptance tests of a problem, on average."""
    prompt_tokens: float
    reply_tokens: float
    cached_share: float | None
    """Of all prompt tokens; None without any."""
    calls: float
    seconds: float
    earlier: int
    """Results under an earlier config of the condition, or at an earlier form of a problem; left out."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The reference beside another condition, over the problems of one form and the seeds that both have."""

    first: str
    second: str
    model: str
    both: int
    only_first: int
    only_second: int
    neither: int
    p: float
    """McNemar's exact test."""
    repaired: Interval | None
    """Of what the second condition fails, the share that the first passes; None when it fails nothing."""
    lost: Interval | None
    """Of what the second condition passes, the share that the first fails."""
    share_difference: Interval | None
    """Of acceptance tests, first minus second; resampled by problem and seed."""


@dataclass(frozen=True, slots=True)
class SuiteComparison:
    """All that the results of one suite say."""

    suite: str
    rates: tuple[Rate, ...]
    comparisons: tuple[Comparison, ...]


def compare(suite: str, results: Iterable[BenchResult]) -> SuiteComparison:
    """Rates of every condition, and the reference beside each other one.

    Of a condition whose config was changed, the one that was measured last counts.
    """
    grouped: dict[tuple[str, str], list[BenchResult]] = {}
    for result in results:
        if result.suite == suite:
            grouped.setdefault((result.model, result.condition), []).append(result)
    totals = _totals([result for group in grouped.values() for result in group])
    latest = {name: _latest(group) for name, group in grouped.items()}
    rates = [_rate(group, len(grouped[name]) - len(group), totals) for name, group in latest.items()]
    comparisons = [
        _comparison(latest[model, REFERENCE], group, totals)
        for (model, condition), group in latest.items()
        if condition != REFERENCE and (model, REFERENCE) in latest
    ]
    return SuiteComparison(suite, tuple(rates), tuple(comparisons))


def _latest(group: Sequence[BenchResult]) -> list[BenchResult]:
    """Of the last config; of a problem that was changed as well, the last one."""
    of_config = [result for result in group if result.config_digest == group[-1].config_digest]
    return list({(result.problem, result.seed): result for result in of_config}.values())


def _totals(results: Iterable[BenchResult]) -> Mapping[str, int]:
    """Tests of each problem's suite, by its digest: a session that was broken off tells of fewer."""
    totals: dict[str, int] = {}
    for result in results:
        totals[result.problem_digest] = max(totals.get(result.problem_digest, 1), result.acceptance_total)
    return totals


def _rate(group: Sequence[BenchResult], earlier: int, totals: Mapping[str, int]) -> Rate:
    passes = sum(result.passed for result in group)
    passed = wilson(passes, len(group))
    assert passed is not None, "a group holds at least one result"
    prompt_tokens = sum(result.prompt_tokens for result in group)
    return Rate(
        condition=group[0].condition,
        model=group[0].model,
        temperature=group[0].temperature,
        items=len(group),
        passes=passes,
        passed=passed,
        acceptance_share=fmean(_share(result, totals) for result in group),
        prompt_tokens=prompt_tokens / len(group),
        reply_tokens=fmean(result.reply_tokens for result in group),
        cached_share=sum(result.cached_tokens for result in group) / prompt_tokens if prompt_tokens else None,
        calls=fmean(result.calls for result in group),
        seconds=fmean(result.seconds for result in group),
        earlier=earlier,
    )


def _share(result: BenchResult, totals: Mapping[str, int]) -> float:
    return result.acceptance_passed / totals[result.problem_digest]


def _comparison(
    first: Sequence[BenchResult], second: Sequence[BenchResult], totals: Mapping[str, int]
) -> Comparison:
    by_item = {(result.problem, result.problem_digest, result.seed): result for result in second}
    pairs = [
        (result, other)
        for result in first
        if (other := by_item.get((result.problem, result.problem_digest, result.seed)))
    ]
    both = sum(one.passed and other.passed for one, other in pairs)
    only_first = sum(one.passed and not other.passed for one, other in pairs)
    only_second = sum(other.passed and not one.passed for one, other in pairs)
    neither = len(pairs) - both - only_first - only_second
    differences: dict[str, list[float]] = {}
    for one, other in pairs:
        differences.setdefault(one.problem, []).append(_share(one, totals) - _share(other, totals))
    return Comparison(
        first=first[0].condition,
        second=second[0].condition,
        model=first[0].model,
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
        p=mcnemar_exact(only_first, only_second),
        repaired=wilson(only_first, only_first + neither),
        lost=wilson(only_second, only_second + both),
        share_difference=paired_bootstrap(list(differences.values())),
    )


def render_comparison(compared: SuiteComparison) -> str:
    """Two tables in Markdown."""
    lines = [
        f"## {compared.suite}",
        "",
        "| condition | model | temp. | items | passed | 95 % | acceptance tests | prompt | reply | cached "
        "| calls | seconds |",
        f"|{' --- |' * 12}",
        *(_rate_row(rate) for rate in compared.rates),
    ]
    if compared.comparisons:
        lines += [
            "",
            "| pairs | model | both | only first | only second | neither | p | repaired | lost | tests |",
            f"|{' --- |' * 10}",
            *(_comparison_row(comparison) for comparison in compared.comparisons),
        ]
    return "\n".join(lines)


def _rate_row(rate: Rate) -> str:
    cached = "-" if rate.cached_share is None else f"{rate.cached_share:.0%}"
    name = f"{rate.condition} ({rate.earlier} earlier left out)" if rate.earlier else rate.condition
    return (
        f"| {name} | {rate.model} | {rate.temperature:g} | {rate.items} | {rate.passes} "
        f"({rate.passed.value:.1%}) | {rate.passed.low:.1%} to {rate.passed.high:.1%} "
        f"| {rate.acceptance_share:.1%} | {rate.prompt_tokens:.0f} | {rate.reply_tokens:.0f} | {cached} "
        f"| {rate.calls:.1f} | {rate.seconds:.0f} |"
    )


def _comparison_row(comparison: Comparison) -> str:
    return (
        f"| {comparison.first} and {comparison.second} | {comparison.model} | {comparison.both} "
        f"| {comparison.only_first} | {comparison.only_second} | {comparison.neither} | {comparison.p:.3g} "
        f"| {_shown(comparison.repaired)} | {_shown(comparison.lost)} "
        f"| {_shown(comparison.share_difference, signed=True)} |"
    )


def _shown(interval: Interval | None, signed: bool = False) -> str:
    if interval is None:
        return "-"
    sign = "+" if signed else ""
    return f"{interval.value:{sign}.1%} ({interval.low:{sign}.1%} to {interval.high:{sign}.1%})"
