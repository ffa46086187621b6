"""How many calls a server gets: as many as it takes, found from its answers alone, in simulated time."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.batch.definition import BatchBudget
from lmac.batch.halt import Halt, Reason
from lmac.batch.limiter import CallLimiter
from lmac.batch.pace import LONGEST_WAIT_SECONDS, PAUSING_REFUSALS, Pace, wait_for
from lmac.batch.purse import Purse, Sum
from lmac.errors import RunCancelled

Takes = Callable[[float, int], bool]
"""Whether a server takes a call, by the time and the calls under way with it."""
REFUSAL_SECONDS = 0.02


def throughput(
    takes: Takes,
    *,
    callers: int,
    most: int,
    reply_seconds: float,
    retry_after: float | None = None,
    wall_seconds: float = 200.0,
) -> tuple[float, float]:
    """Replies a second, and refusals a second, of callers that always want one more."""
    dice = random.Random(1)
    pace, now, turns, at_server, replies, refusals = Pace.of(most), 0.0, 0, 0, 0, 0
    ready = [(0.01, caller, 0) for caller in range(callers)]
    ends: list[tuple[float, int, float, bool | None, int]] = []
    while now < wall_seconds:
        while ready and ready[0][0] <= now and turns < pace.at_once and pace.resumes_at <= now:
            _, caller, tries = heapq.heappop(ready)
            turns += 1
            at_server += 1
            taken = takes(now, at_server)
            seconds = reply_seconds * dice.uniform(0.5, 1.5) if taken else REFUSAL_SECONDS
            heapq.heappush(ends, (now + seconds, caller, now, taken, tries))
        due = [ends[0][0]] if ends else []
        if ready and turns < pace.at_once:
            due.append(max(ready[0][0], pace.resumes_at))
        now = max(now, min(due))
        while ends and ends[0][0] <= now:
            _, caller, began, how, tries = heapq.heappop(ends)
            at_server -= how is not None
            if how is False:
                refusals += 1
                pace = pace.refused(began, now, retry_after)
                wait_seconds = wait_for(retry_after, tries) * dice.uniform(1.0, 1.5)
                # The turn is kept for the wait: another caller would be refused in its place.
                heapq.heappush(ends, (now + wait_seconds, caller, now, None, tries + 1))
                continue
            turns -= 1
            if how:
                replies += 1
                pace = pace.answered(began, now, 200)
            # Whoever was refused goes before all others.
            heapq.heappush(ready, (now, caller, 0) if how else (0.0, caller, tries))
    return replies / wall_seconds, refusals / wall_seconds


def test_a_server_with_so_many_slots_is_kept_busy_and_refuses_little() -> None:
    replies, refusals = throughput(lambda _, calls: calls <= 4, callers=16, most=16, reply_seconds=1.0)

    assert replies >= 0.9 * 4
    assert refusals < 0.5 * replies


def test_a_server_that_refuses_a_third_at_random_gets_nearly_all_calls_all_the_same() -> None:
    dice = random.Random(7)
    # Without any limit each caller would have one call a second, and wait out its refusals between them.
    replies, _ = throughput(lambda *_: dice.random() > 1 / 3, callers=8, most=8, reply_seconds=1.0)

    assert replies >= 0.75 * 8


@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_a_server_with_so_many_calls_a_second_gives_nearly_all_of_them(retry_after: float | None) -> None:
    tokens, last = 5.0, 0.0

    def takes(now: float, _: int) -> bool:
        nonlocal tokens, last
        tokens, last = min(5.0, tokens + (now - last) * 5.0), now
        taken = tokens >= 1
        tokens -= taken
        return taken

    replies, _ = throughput(takes, callers=16, most=16, reply_seconds=0.2, retry_after=retry_after)

    assert replies >= 0.9 * 5 - 0.1


def test_a_server_that_answers_ever_more_slowly_gets_fewer_calls() -> None:
    pace = Pace.of(8, first=8)
    for number in range(20):
        pace = pace.answered(number, number + 1.0, 100)
    at_best = pace.limit
    for number in range(20, 60):
        pace = pace.answered(number, number + 20.0, 100)

    assert pace.limit < at_best


def test_a_reply_that_takes_long_because_it_is_long_says_nothing_of_the_load() -> None:
    pace = Pace.of(8, first=8)
    for number in range(40):
        pace = pace.answered(number, number + 1.0, 100)
    for number in range(40, 80):
        pace = pace.answered(number, number + 10.0, 1900)

    assert pace.limit == 8


def test_refusals_in_a_row_hold_everybody_back_for_as_long_as_the_server_wishes() -> None:
    pace = Pace.of(8)
    for _ in range(PAUSING_REFUSALS):
        assert pace.resumes_at < 10
        pace = pace.refused(9.0, 10.0, 7.0)

    assert pace.resumes_at == 17.0


ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["answered", "refused"]),
        st.floats(0, 5),
        st.floats(0, 100),
        st.one_of(st.none(), st.floats(0, 1000)),
    ),
    max_size=200,
)


@given(st.integers(1, 64), ANSWERS)
def test_whatever_a_server_answers_at_least_one_call_and_at_most_the_cap_may_be_under_way(
    most: int, answers: list[tuple[str, float, float, float | None]]
) -> None:
    pace, now = Pace.of(most), 0.0
    for kind, passed, took, wait_seconds in answers:
        now += passed
        began = now - took
        pace = pace.answered(began, now, 10) if kind == "answered" else pace.refused(began, now, wait_seconds)
        assert 1 <= pace.at_once <= most
        asked = LONGEST_WAIT_SECONDS if wait_seconds is None else max(wait_seconds, LONGEST_WAIT_SECONDS)
        assert pace.resumes_at <= now + max(asked, 1000)


# The door that threads wait at


def test_no_more_calls_are_under_way_than_the_pace_allows_and_all_get_through() -> None:
    limiter = CallLimiter(Pace.of(3), Halt())
    under_way, highest, done = 0, 0, 0
    guard = threading.Lock()

    def call() -> None:
        nonlocal under_way, highest, done
        began = limiter.begin()
        with guard:
            under_way += 1
            highest = max(highest, under_way)
        time.sleep(0.005)
        with guard:
            under_way -= 1
            done += 1
        limiter.answered(began, 10)
        limiter.end()

    threads = [threading.Thread(target=call) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert done == 30
    assert highest == 3


def test_whoever_waits_for_a_turn_goes_when_the_batch_is_over() -> None:
    halt = Halt()
    limiter = CallLimiter(Pace.of(1), halt)
    limiter.begin()
    stopped = threading.Event()

    def wait() -> None:
        with pytest.raises(RunCancelled):
            limiter.begin()
        stopped.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    halt.set(Reason.INTERRUPTED)

    assert stopped.wait(5)


# The purse


def test_a_call_that_passes_the_budget_ends_the_batch_and_is_not_made() -> None:
    halt = Halt()
    purse = Purse(BatchBudget(tokens=100), Sum(40), halt)
    purse.reserve(Sum(60))
    purse.settle(Sum(60), Sum(20))
    with pytest.raises(RunCancelled):
        purse.reserve(Sum(41))

    assert halt.reason is Reason.TOKENS
    assert purse.spent == Sum(60)


def test_a_call_waits_where_others_may_cost_less_than_was_set_aside_for_them() -> None:
    halt = Halt()
    purse = Purse(BatchBudget(money=1.0), Sum(), halt)
    purse.reserve(Sum(0, 0.9))
    admitted = threading.Event()

    def reserve() -> None:
        purse.reserve(Sum(0, 0.5))
        admitted.set()

    threading.Thread(target=reserve, daemon=True).start()

    assert not admitted.wait(0.2)
    purse.settle(Sum(0, 0.9), Sum(0, 0.1))
    assert admitted.wait(5)
    assert halt.reason is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=50), st.integers(0, 500))
def test_no_more_is_spent_than_the_budget_where_calls_cost_at_most_what_was_set_aside(
    calls: list[tuple[int, int]], limit: int
) -> None:
    purse = Purse(BatchBudget(tokens=limit), Sum(), Halt())
    for wanted, saved in calls:
        try:
            purse.reserve(Sum(wanted))
        except RunCancelled:
            break
        purse.settle(Sum(wanted), Sum(max(wanted - saved, 0)))

    assert purse.spent.tokens <= limit
