"""Carries items out one after the other, and keeps what came of each."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Protocol

from lmac import __version__
from lmac.bench.catalogue import Problem
from lmac.bench.conditions import ResolvedCondition
from lmac.bench.ledger import BenchResult, Key, Ledger
from lmac.errors import SandboxFailure
from lmac.messages import Usage
from lmac.report.result import RunResult
from lmac.run import RunOrder
from lmac.transitions import Outcome

MOST_UNFINISHED = 3
"""In a row; more of the same would follow."""

_UNFINISHED = (Outcome.MODEL_FAILED, Outcome.SANDBOX_FAILED, Outcome.FAULT)
"""They tell of the server, the engine or LMAC, not of the condition."""


class BenchStopped(SandboxFailure):
    """Item after item did not come to its end."""


class Unfinished(Exception):
    """An item that no result can be told of."""

    def __init__(self, result: RunResult) -> None:
        super().__init__(result.error or result.outcome.value)


@dataclass(frozen=True, slots=True)
class Item:
    """One problem under one condition with one seed."""

    problem: Problem
    condition: ResolvedCondition
    seed: int

    @property
    def key(self) -> Key:
        return (
            self.problem.name,
            self.condition.name,
            self.seed,
            self.problem.digest,
            self.condition.digest,
        )


class Stand(Protocol):
    """Where items run: makes a run's order from what the item says, and carries it out."""

    def order(self, item: Item, config_changes: Mapping[str, object], folder_name: str) -> RunOrder: ...

    def execute(self, order: RunOrder) -> RunResult: ...


Tell = Callable[[str], None]


def plan_items(
    problems: Sequence[Problem],
    conditions: Sequence[ResolvedCondition],
    seeds: Sequence[int],
    limit: int | None = None,
    sample: int | None = None,
) -> tuple[Item, ...]:
    """All items, a problem's conditions side by side, so that pairs are whole early.

    Args:
        limit: Of problems.
        sample: Seed that orders the problems by chance before the limit cuts; None leaves them in order.
    """
    chosen = list(problems)
    if sample is not None:
        random.Random(sample).shuffle(chosen)
    return tuple(
        Item(problem, condition, seed)
        for problem in chosen[:limit]
        for seed in seeds
        for condition in conditions
    )


def left_to_do(items: Iterable[Item], results: Iterable[BenchResult]) -> tuple[Item, ...]:
    """The items without a result."""
    done = {result.key for result in results}
    return tuple(item for item in items if item.key not in done)


def expected_seconds(items: Iterable[Item], results: Iterable[BenchResult]) -> float:
    """How long the items take: as long as those before them, or as the suite says."""
    seen: dict[tuple[str, str], list[float]] = {}
    for result in results:
        seen.setdefault((result.condition, result.model), []).append(result.seconds)
    means = {name: fmean(seconds) for name, seconds in seen.items()}
    return sum(
        means.get((item.condition.name, item.condition.profile.name), item.condition.condition.usual_seconds)
        for item in items
    )


def run_items(suite: str, items: Sequence[Item], ledger: Ledger, stand: Stand, tell: Tell) -> None:
    """Carry out what has no result yet; each result is on the disk before the next item begins.

    Raises:
        KeyboardInterrupt: the user stopped it; finished items are kept.
        BenchStopped: too many items in a row did not come to their end.
    """
    results = list(ledger.results())
    left = left_to_do(items, results)
    unfinished = 0
    for number, item in enumerate(left):
        try:
            result = _result(suite, item, stand)
        except Unfinished as error:
            unfinished += 1
            tell(f"{_named(item)}: not finished: {error}")
            if unfinished == MOST_UNFINISHED:
                said = f"{unfinished} items in a row did not come to their end; the last one: {error}"
                raise BenchStopped(
                    said, "run `lmac doctor`; the same command goes on where it was"
                ) from error
            continue
        unfinished = 0
        ledger.append(result)
        results.append(result)
        rest_seconds = expected_seconds(left[number + 1 :], results)
        verdict = "passed" if result.passed else f"{result.acceptance_passed}/{result.acceptance_total}"
        tell(
            f"[{number + 1}/{len(left)}] {_named(item)}: {verdict}, {result.outcome}, "
            f"{result.seconds:.0f} s; {in_hours(rest_seconds)} left"
        )


def in_hours(seconds: float) -> str:
    """A duration as people say it."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def _named(item: Item) -> str:
    return f"{item.problem.name} {item.condition.name} seed {item.seed}"


def _result(suite: str, item: Item, stand: Stand) -> BenchResult:
    runs = _until_green(suite, item, stand) if item.condition.condition.until_green else None
    runs = runs or [_run(suite, item, stand, {"seed": item.seed})]
    delivered = runs[-1]
    judged = delivered.acceptance.results[0] if delivered.acceptance else None
    usage = sum((run.usage for run in runs), Usage())
    return BenchResult(
        suite=suite,
        problem=item.problem.name,
        condition=item.condition.name,
        seed=item.seed,
        problem_digest=item.problem.digest,
        config_digest=item.condition.digest,
        outcome=delivered.outcome.value,
        passed=delivered.acceptance is not None and delivered.acceptance.green,
        acceptance_passed=judged.passed_count if judged else 0,
        acceptance_total=judged.passed_count + judged.failed_count if judged else 0,
        prompt_tokens=usage.prompt_tokens,
        reply_tokens=usage.reply_tokens,
        cached_tokens=usage.cached_tokens,
        calls=sum(run.calls for run in runs),
        runs=len(runs),
        seconds=round(sum(run.seconds for run in runs), 1),
        model=item.condition.profile.name,
        temperature=item.condition.profile.temperature,
        lmac=__version__,
        run=delivered.run_id,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _until_green(suite: str, item: Item, stand: Stand) -> list[RunResult]:
    """Runs with one seed after the other; the last one is delivered."""
    budget = item.condition.config_for(item.problem).budget
    tokens_left = budget.tokens or 0
    runs: list[RunResult] = []
    while True:
        changes = {"seed": item.seed + len(runs), "budget": replace(budget, tokens=tokens_left)}
        run = _run(suite, item, stand, changes)
        # A call that the budget refuses delivers nothing, where the one before it did.
        if runs and run.usage.total_tokens == 0:
            return runs
        runs.append(run)
        tokens_left -= run.usage.total_tokens
        passes_its_own = run.checks is not None and run.checks.green
        if passes_its_own or tokens_left <= 0 or run.usage.total_tokens == 0:
            return runs


def _run(suite: str, item: Item, stand: Stand, changes: Mapping[str, object]) -> RunResult:
    name = f"bench-{suite}-{item.problem.name}-{item.condition.name}-s{item.seed}-{secrets.token_hex(3)}"
    result = stand.execute(stand.order(item, changes, name))
    if result.outcome is Outcome.INTERRUPTED:
        raise KeyboardInterrupt
    if result.outcome in _UNFINISHED:
        raise Unfinished(result)
    return result
