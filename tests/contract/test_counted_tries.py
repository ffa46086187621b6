"""Every try that reaches a server is a call of the budget, and none is made beyond it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.fault_server import FaultServer
from lmac.budget import Budget, BudgetLimits, Spent
from lmac.context import ContextWindow
from lmac.conversation import BudgetRefused, Conversation
from lmac.errors import ModelGarbled
from lmac.messages import Message, Role, Sampling
from lmac.processor.fenced import FencedProtocol
from lmac.processor.openai_processor import OpenAIProcessor
from memory_journal import MemoryJournal

PREFIX = (Message(Role.SYSTEM, "You write."), Message(Role.USER, "Write it."))
SAMPLING = Sampling(0.0, 50)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def conversing(server: FaultServer, fault: str, limits: BudgetLimits) -> Conversation:
    processor = OpenAIProcessor(
        base_url=server.base_url(fault), api_key=None, model="m", call_seconds=10, sleep=lambda _: None
    )
    conversation = Conversation(processor, FencedProtocol(), MemoryJournal(), Budget(limits))
    conversation.open(ContextWindow(PREFIX, limit_tokens=1000, reply_tokens=50))
    return conversation


def test_tries_that_failed_before_a_reply_are_calls_too(server: FaultServer) -> None:
    before = server.count["busy_twice"]
    conversation = conversing(server, "busy_twice", BudgetLimits())
    conversation.ask(SAMPLING)

    assert conversation.budget.calls == server.count["busy_twice"] - before == 3
    assert conversation.budget.run.assumed_tokens == 0, "a busy server has read nothing"


def test_a_call_that_never_came_right_counts_each_of_its_tries(server: FaultServer) -> None:
    before = server.count["html"]
    conversation = conversing(server, "html", BudgetLimits())
    with pytest.raises(ModelGarbled):
        conversation.ask(SAMPLING)

    assert conversation.budget.calls == server.count["html"] - before == 2
    assert conversation.budget.run.assumed_tokens > 0


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_no_try_is_made_beyond_the_budget(server: FaultServer, calls: int) -> None:
    before = server.count["busy"]
    conversation = conversing(server, "busy", BudgetLimits(calls=calls))
    with pytest.raises(BudgetRefused) as refusal:
        conversation.ask(SAMPLING)

    assert refusal.value.spent is Spent.CALLS
    assert conversation.budget.calls == server.count["busy"] - before == calls


def test_a_wait_that_would_pass_the_wall_time_is_not_waited(server: FaultServer) -> None:
    conversation = conversing(server, "busy_twice", BudgetLimits(wall_seconds=5))
    with pytest.raises(BudgetRefused) as refusal:
        conversation.ask(SAMPLING)

    assert refusal.value.spent is Spent.WALL_SECONDS
