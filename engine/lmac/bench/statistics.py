"""Intervals and tests for few, paired results: pure functions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt
from statistics import fmean

Z_95 = 1.959963984540054
"""Of the standard normal distribution, two-sided."""

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A share or a difference with its 95 % limits."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int) -> Interval | None:
    """A share with Wilson's score interval, which holds near 0 and 1 too; None without trials."""
    if not trials:
        return None
    share = successes / trials
    spread = Z_95 * sqrt(share * (1 - share) / trials + Z_95**2 / (4 * trials**2))
    middle, scale = share + Z_95**2 / (2 * trials), 1 + Z_95**2 / trials
    return Interval(share, max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p that pairs which differ do so in either direction alike; 1.0 when none differs."""
    differing = only_first + only_second
    tail = sum(comb(differing, count) for count in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << differing))


def paired_bootstrap(differences: Sequence[Sequence[float]], seed: int = 0) -> Interval | None:
    """The mean difference with the percentiles of resampled means; None without a difference.

    Problems are drawn first and seeds within each: seeds of one problem are no independent evidence.

    Args:
        differences: For each problem, one for each seed.
    """
    groups = [group for group in differences if group]
    if not groups:
        return None
    draw = random.Random(seed)
    means = sorted(
        fmean(fmean(draw.choices(group, k=len(group))) for group in draw.choices(groups, k=len(groups)))
        for _ in range(RESAMPLES)
    )
    low, high = means[round(RESAMPLES * 0.025)], means[round(RESAMPLES * 0.975) - 1]
    return Interval(fmean(fmean(group) for group in groups), low, high)
