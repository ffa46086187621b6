"""What a job, and a batch, can take at most: by budgets, and where these are silent by the machine's caps."""

from __future__ import annotations

from dataclasses import dataclass

from lmac.batch.job import Job
from lmac.batch.resolving import Batch
from lmac.messages import Usage
from lmac.transitions import MachineKind

BUDGET = "budget"
CAPS = "caps of the machine"
BATCH_BUDGET = "budget of the batch"


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound, and what it is made of. None: nothing bounds it."""

    most: float | None
    made_of: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bounds, not guesses: a run usually takes a small part of them."""

    calls: Bound
    tokens: Bound
    money: Bound
    """None too where no prices are known."""
    seconds: Bound
    """Of model calls and the wall clock's budget; what checks take is not in it."""


def estimate_job(job: Job) -> Estimate:
    """Of one job."""
    budget, profile = job.config.budget, job.profile
    calls = _lesser(Bound(_machine_calls(job), CAPS), Bound(budget.calls, BUDGET))
    window, reply = profile.context_tokens, profile.reply_tokens
    sized = calls.most is not None and window is not None
    tokens = Bound((calls.most or 0) * (window or 0) if sized else None, f"{calls.made_of} times the window")
    tokens = _lesser(tokens, Bound(budget.tokens, BUDGET))
    money = Bound(None, "no prices")
    if profile.prices is not None:
        dearest = Usage(0, 1) if profile.prices.reply >= profile.prices.prompt else Usage(1)
        cost = None if tokens.most is None else tokens.most * profile.prices.cost(dearest)
        if sized and window is not None and reply is not None:
            by_calls = (calls.most or 0) * profile.prices.cost(Usage(window - reply, reply))
            cost = by_calls if cost is None else min(cost, by_calls)
        money = _lesser(
            Bound(cost, f"{tokens.made_of}, at the profile's prices"), Bound(budget.money, BUDGET)
        )
    seconds = Bound(
        None if calls.most is None else calls.most * profile.call_seconds,
        f"{calls.made_of} times call_seconds",
    )
    return Estimate(calls, tokens, money, _lesser(seconds, Bound(budget.wall_seconds, BUDGET)))


def estimate_batch(batch: Batch, runs: int) -> Estimate:
    """Of all jobs together.

    Args:
        runs: Carried out at a time.
    """
    each = [estimate_job(job) for job in batch.jobs]
    longest = _sum([one.seconds for one in each])
    side_by_side = None if longest.most is None else longest.most / min(runs, max(len(each), 1))
    return Estimate(
        calls=_sum([one.calls for one in each]),
        tokens=_lesser(_sum([one.tokens for one in each]), Bound(batch.budget.tokens, BATCH_BUDGET)),
        money=_lesser(_sum([one.money for one in each]), Bound(batch.budget.money, BATCH_BUDGET)),
        seconds=_lesser(
            Bound(side_by_side, f"{longest.made_of}; {runs} runs at a time"),
            Bound(batch.budget.wall_seconds, BATCH_BUDGET),
        ),
    )


def _machine_calls(job: Job) -> int:
    """Calls that the machine's caps allow; further tries of a call that failed are not in it."""
    machine, profile = job.config.machine, job.profile
    # A reply that is cut within a file brings one more call, for its rest.
    turns = 2 * machine.turns
    match job.machine:
        case MachineKind.SINGLE_SHOT:
            return 1
        case MachineKind.LOOP:
            return turns * machine.attempts * job.config.most_instructions
        case MachineKind.CONTROL_UNIT:
            window = turns + 2 * machine.summaries + profile.candidates - 1
            # A change of the program may split a step into as many as a program has.
            steps = job.config.most_instructions * (1 + machine.revisions)
            program = machine.program_tries + machine.requirement_tries + machine.reflections
            return program + machine.revisions + steps * machine.attempts * window


def _lesser(one: Bound, other: Bound) -> Bound:
    if one.most is None:
        return other if other.most is not None else one
    return one if other.most is None or one.most <= other.most else other


def _sum(bounds: list[Bound]) -> Bound:
    made_of = "; ".join(dict.fromkeys(bound.made_of for bound in bounds))
    if any(bound.most is None for bound in bounds):
        return Bound(None, made_of)
    return Bound(sum(bound.most or 0 for bound in bounds), made_of)
