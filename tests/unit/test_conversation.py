"""A conversation journals before it calls, counts every call, and can be rebuilt from its journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lmac.budget import Budget, BudgetLimits, Spent
from lmac.context import ContextWindow
from lmac.conversation import BudgetRefused, Conversation
from lmac.errors import ContextOverflow, ModelSilent
from lmac.journal import BLOBS_NAME, Event, Journal, read_blob, read_journal
from lmac.messages import (
    Finish,
    Message,
    Observation,
    Reply,
    Request,
    Role,
    Sampling,
    ToolCall,
    ToolSpec,
    Usage,
)
from lmac.processor import Processor
from lmac.processor.actions import ActionProtocol
from lmac.processor.fenced import FencedProtocol
from lmac.processor.native import NativeProtocol
from lmac.processor.recorded import RecordedProcessor

SAMPLING = Sampling(0.2, 50, seed=1)
PREFIX = (Message(Role.SYSTEM, "You write."), Message(Role.USER, "Write it."))
HELLO = Reply("hello", Finish.STOP, Usage(100, 5), model="m")
SILENT = ModelSilent("no answer")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path) as journal:
        yield journal


def opened(
    journal: Journal,
    processor: Processor,
    limits: BudgetLimits | None = None,
    protocol: ActionProtocol | None = None,
    limit_tokens: int = 1000,
) -> Conversation:
    conversation = Conversation(
        processor, protocol or FencedProtocol(), journal, Budget(limits or BudgetLimits())
    )
    conversation.open(ContextWindow(PREFIX, limit_tokens=limit_tokens, reply_tokens=50))
    return conversation


def kinds(folder: Path) -> list[str]:
    return [event.kind for event in read_journal(folder)]


def test_a_reply_joins_the_window_with_what_came_of_it(journal: Journal) -> None:
    processor = RecordedProcessor([HELLO, HELLO])
    conversation = opened(journal, processor)
    conversation.ask(SAMPLING)
    conversation.hear(Observation("Wrote a.py.", ok=True))
    conversation.notice("The checks pass.")
    conversation.notice("Go on.")
    conversation.ask(SAMPLING)

    assert processor.requests[0].messages == PREFIX
    assert processor.requests[1].messages == (
        *PREFIX,
        Message(Role.ASSISTANT, "hello"),
        Message(Role.USER, "Wrote a.py.\n\nThe checks pass.\n\nGo on."),
    )
    assert not conversation.has_notice


def test_a_request_is_on_disk_before_the_call_is_made(journal: Journal, tmp_path: Path) -> None:
    class ScriptedWitness(Processor):
        seen: list[str]

        def ask(self, request: Request) -> Reply:
            self.seen = kinds(tmp_path)
            return HELLO

    witness = ScriptedWitness()
    opened(journal, witness).ask(SAMPLING)

    assert witness.seen == ["request"]
    assert kinds(tmp_path) == ["request", "reply"]


def test_a_message_is_kept_once_however_often_it_is_sent(journal: Journal, tmp_path: Path) -> None:
    conversation = opened(journal, RecordedProcessor([HELLO] * 5))
    for _ in range(5):
        conversation.ask(SAMPLING)
        conversation.notice("Go on.")
    kept = [path for path in (tmp_path / BLOBS_NAME).rglob("*") if path.is_file()]
    requests = [event for event in read_journal(tmp_path) if event.kind == "request"]

    assert len(requests[-1].data["messages"]) == len(PREFIX) + 8
    # System, user, the reply as a message, its text, and the notice.
    assert len(kept) == 5


def rebuilt(folder: Path, event: Event) -> Request:
    """The request that an event names, from the run's folder alone."""

    def blob(digest: str) -> Any:
        return json.loads(read_blob(folder, digest))

    messages = [blob(digest) for digest in event.data["messages"]]
    return Request(
        tuple(
            Message(
                Role(fields["role"]),
                fields["text"],
                tuple(ToolCall(**call) for call in fields["calls"]),
                fields["call_id"],
            )
            for fields in messages
        ),
        Sampling(**event.data["sampling"]),
        tuple(ToolSpec(**tool) for tool in blob(event.data["tools"])) if event.data["tools"] else (),
        blob(event.data["json_schema"]) if "json_schema" in event.data else None,
    )


def test_every_request_can_be_rebuilt_from_the_journal(journal: Journal, tmp_path: Path) -> None:
    calling = Reply(
        "lone \ud800, \u202e and \U0001f600",
        Finish.TOOL_CALLS,
        Usage(100, 5),
        calls=(ToolCall("c1", "read", '{"path": "ä.py"}'),),
    )
    processor = RecordedProcessor([calling, HELLO])
    conversation = opened(journal, processor, protocol=NativeProtocol())
    conversation.open(
        ContextWindow(
            PREFIX,
            limit_tokens=2000,
            reply_tokens=50,
            tools=(ToolSpec("read", "show a file", {"type": "object"}),),
            json_schema={"type": "object"},
        )
    )
    conversation.ask(SAMPLING)
    conversation.hear(Observation("a file", ok=True, call_id="c1"))
    conversation.ask(SAMPLING)
    requests = [event for event in read_journal(tmp_path) if event.kind == "request"]

    assert [rebuilt(tmp_path, event) for event in requests] == processor.requests


def test_a_reply_can_be_rebuilt_from_the_journal(journal: Journal, tmp_path: Path) -> None:
    opened(journal, RecordedProcessor([HELLO])).ask(SAMPLING)
    reply = list(read_journal(tmp_path))[-1].data

    assert read_blob(tmp_path, reply["text"]).decode() == HELLO.text
    assert (reply["finish"], reply["usage"], reply["model"]) == ("stop", asdict(HELLO.usage), "m")


def test_a_failed_call_is_journalled_and_counted(journal: Journal, tmp_path: Path) -> None:
    conversation = opened(journal, RecordedProcessor([SILENT, HELLO]))
    with pytest.raises(ModelSilent):
        conversation.ask(SAMPLING)

    assert (conversation.budget.calls, conversation.budget.usage) == (1, Usage())
    assert kinds(tmp_path) == ["request", "model_error"]


def test_what_was_heard_before_a_failed_call_is_not_lost(journal: Journal) -> None:
    processor = RecordedProcessor([SILENT, HELLO])
    conversation = opened(journal, processor)
    conversation.notice("remember this")
    with pytest.raises(ModelSilent):
        conversation.ask(SAMPLING)
    conversation.ask(SAMPLING)

    assert processor.requests[0].messages == processor.requests[1].messages
    assert processor.requests[1].messages[-1] == Message(Role.USER, "remember this")


def test_a_refusal_of_the_budget_makes_no_call(journal: Journal, tmp_path: Path) -> None:
    processor = RecordedProcessor([HELLO])
    conversation = opened(journal, processor, BudgetLimits(calls=0))
    with pytest.raises(BudgetRefused) as refusal:
        conversation.ask(SAMPLING)

    assert refusal.value.spent is Spent.CALLS
    assert processor.requests == []
    assert kinds(tmp_path) == []
    assert conversation.budget.calls == 0


def test_wall_time_is_measured_from_the_start_of_the_conversation(journal: Journal) -> None:
    times = iter([100.0, 159.0, 161.0])
    budget = Budget(BudgetLimits(wall_seconds=60))
    conversation = Conversation(
        RecordedProcessor([HELLO, HELLO]), FencedProtocol(), journal, budget, clock=lambda: next(times)
    )
    conversation.open(ContextWindow(PREFIX, limit_tokens=1000, reply_tokens=50))
    conversation.ask(SAMPLING)
    with pytest.raises(BudgetRefused) as refusal:
        conversation.ask(SAMPLING)

    assert refusal.value.spent is Spent.WALL_SECONDS


def test_a_request_that_overflows_its_window_is_never_sent(journal: Journal) -> None:
    processor = RecordedProcessor([HELLO])
    conversation = opened(journal, processor, limit_tokens=100)
    conversation.notice("x" * 1000)

    assert conversation.overflows()
    with pytest.raises(ContextOverflow, match="do not fit into 100"):
        conversation.ask(SAMPLING)
    assert processor.requests == []


def test_a_server_that_calls_a_request_too_long_makes_the_meter_more_careful(journal: Journal) -> None:
    conversation = opened(journal, RecordedProcessor([ContextOverflow("too long")]))
    before = conversation.meter
    with pytest.raises(ContextOverflow):
        conversation.ask(SAMPLING)

    assert conversation.meter.tokens(PREFIX) > before.tokens(PREFIX)
    assert conversation.budget.calls == 1


def test_a_summary_leaves_out_the_oldest_turns_and_fits(journal: Journal) -> None:
    processor = RecordedProcessor([HELLO, HELLO, HELLO, Reply("  all of it\n", Finish.STOP)])
    conversation = opened(journal, processor)
    for text in ("first", "second", "third"):
        conversation.ask(SAMPLING)
        conversation.hear(Observation(text + " x" * 480, ok=True))

    assert conversation.overflows()
    assert conversation.summarize("Sum up.", Sampling(0.2, 30)) == "all of it"
    sent = processor.requests[-1]
    texts = [message.text.split(" ")[0] for message in sent.messages]
    assert sent.messages[: len(PREFIX)] == PREFIX
    assert "first" not in texts
    assert sent.messages[-1].text.endswith("Sum up.")
    assert sent.sampling.reply_tokens == 30


def test_a_summary_that_cannot_fit_makes_no_call(journal: Journal) -> None:
    processor = RecordedProcessor([HELLO, HELLO])
    conversation = opened(journal, processor)
    conversation.ask(SAMPLING)
    conversation.hear(Observation("x" * 5000, ok=True))
    with pytest.raises(ContextOverflow):
        conversation.summarize("Sum up.", Sampling(0.2, 30))

    assert len(processor.requests) == 1


def test_opening_a_window_forgets_the_one_before(journal: Journal) -> None:
    processor = RecordedProcessor([HELLO, HELLO])
    conversation = opened(journal, processor)
    conversation.ask(SAMPLING)
    conversation.hear(Observation("old", ok=True))
    conversation.notice("old too")
    conversation.open(ContextWindow(PREFIX, limit_tokens=1000, reply_tokens=50))
    conversation.ask(SAMPLING)

    assert processor.requests[1].messages == PREFIX
