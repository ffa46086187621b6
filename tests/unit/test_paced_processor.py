"""A processor at a shared server: it waits its turn and out refusals, and pays for what servers worked on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lmac.batch.definition import BatchBudget
from lmac.batch.halt import Halt, Reason
from lmac.batch.limiter import CallLimiter
from lmac.batch.pace import Pace
from lmac.batch.paced_processor import PATIENCE_SECONDS, Means, PacedProcessor
from lmac.batch.purse import Purse, Sum
from lmac.errors import (
    CreditSpent,
    ModelBusy,
    ModelError,
    ModelFault,
    ModelGarbled,
    ModelUnreachable,
    RunCancelled,
)
from lmac.messages import Finish, Message, Reply, Request, Role, Sampling, Usage
from lmac.processor import RetryWatcher, ServerProcessor

REQUEST = Request((Message(Role.USER, "Write a module."),), Sampling(0.0, 100))
REPLY = Reply("Here.", Finish.STOP, Usage(30, 10))


class Answering(ServerProcessor):
    """Gives what it is given, in order; waits for nobody, as the processor behind a paced one."""

    base_url = "http://127.0.0.1:1/v1"

    def __init__(self, *answers: Reply | ModelError | Callable[[], Reply]) -> None:
        self.answers = list(answers)
        self.watcher: RetryWatcher | None = None

    def fetch(self, address: str) -> bytes | None:
        return None

    def watch_retries(self, watcher: RetryWatcher) -> None:
        self.watcher = watcher

    def ask(self, request: Request) -> Reply:
        answer = self.answers.pop(0)
        if isinstance(answer, ModelError):
            raise answer
        return answer if isinstance(answer, Reply) else answer()


class Stage:
    """One paced processor with all that it shares."""

    def __init__(self, *answers: Reply | ModelError | Callable[[], Reply], tokens: int | None = None) -> None:
        self.halt = Halt()
        self.purse = Purse(BatchBudget(tokens=tokens), Sum(), self.halt)
        self.limiter = CallLimiter(Pace.of(2), self.halt)
        self.waits: list[float] = []
        self.inner = Answering(*answers)
        means = Means(self.limiter, self.purse, self.halt, lambda usage: usage.total_tokens / 10)
        self.processor = PacedProcessor(self.inner, lambda _, seconds: self.waits.append(seconds), means)

    def has_no_turn_left(self) -> bool:
        """Whether as many turns can be had as at the beginning."""
        for _ in range(2):
            self.limiter.begin()
        return True


def busy(seconds: float | None = 0.0) -> ModelBusy:
    return ModelBusy("wait", retry_after_seconds=seconds)


def test_a_busy_server_is_asked_until_it_answers_however_often_it_refuses() -> None:
    stage = Stage(*(busy() for _ in range(20)), REPLY)
    told: list[float] = []
    stage.processor.watch_retries(lambda _, seconds: told.append(seconds))

    assert stage.processor.ask(REQUEST) is REPLY
    assert stage.waits == told == [0.0] * 20
    assert stage.purse.spent == Sum(40, 4.0), "refusals cost nothing"
    assert stage.has_no_turn_left()


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (CreditSpent("no credit"), False),
        (busy(PATIENCE_SECONDS + 1), False),
        (ModelUnreachable("nobody"), False),
        (ModelFault("crashed"), True),
        (ModelGarbled("HTML"), True),
    ],
)
def test_another_failure_goes_out_at_once_and_what_the_server_may_have_read_is_paid(
    error: ModelError, cost: bool
) -> None:
    stage = Stage(error)

    with pytest.raises(type(error)):
        stage.processor.ask(REQUEST)
    assert stage.waits == []
    assert (stage.purse.spent.tokens > 0) is cost
    assert stage.has_no_turn_left()


def test_tries_within_a_call_are_paid_and_passed_on() -> None:
    told: list[ModelError] = []

    def retried() -> Reply:
        assert stage.inner.watcher is not None
        stage.inner.watcher(ModelFault("crashed"), 0.5)
        return REPLY

    stage = Stage(retried)
    stage.processor.watch_retries(lambda error, _: told.append(error))
    stage.processor.ask(REQUEST)

    assert len(told) == 1
    assert stage.purse.spent.tokens > 40


def test_a_call_that_the_batch_cannot_pay_is_not_made() -> None:
    stage = Stage(tokens=50)

    with pytest.raises(RunCancelled):
        stage.processor.ask(REQUEST)
    assert stage.halt.reason is Reason.TOKENS
    assert stage.purse.spent == Sum()


def test_the_end_of_the_batch_ends_a_wait_for_a_busy_server() -> None:
    def ending() -> Reply:
        stage.halt.set(Reason.INTERRUPTED)
        raise busy(60.0)

    stage = Stage(ending)

    with pytest.raises(RunCancelled):
        stage.processor.ask(REQUEST)
    assert stage.waits == [60.0]
