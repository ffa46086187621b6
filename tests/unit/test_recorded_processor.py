"""Recorded replies come back in order; a digest tells requests apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lmac.errors import ContextOverflow, ModelError
from lmac.messages import Finish, Message, Reply, Request, Role, Sampling, ToolSpec
from lmac.processor.recorded import RecordedProcessor, request_digest

REQUEST = Request((Message(Role.USER, "Greet me — in Māori."),), Sampling(0.0, 32, seed=1))
HELLO = Reply("hello", Finish.STOP)
KIA_ORA = Reply("kia ora", Finish.STOP)


def test_replies_come_in_order_and_requests_are_kept() -> None:
    with RecordedProcessor([HELLO, KIA_ORA]) as processor:
        assert [processor.ask(REQUEST), processor.ask(REQUEST)] == [HELLO, KIA_ORA]
        assert processor.requests == [REQUEST, REQUEST]


def test_a_recorded_error_is_raised_at_its_turn() -> None:
    processor = RecordedProcessor([ContextOverflow("too long"), HELLO])

    with pytest.raises(ContextOverflow):
        processor.ask(REQUEST)
    assert processor.ask(REQUEST) == HELLO


def test_the_end_of_the_recording_is_named() -> None:
    processor = RecordedProcessor([HELLO])
    processor.ask(REQUEST)

    with pytest.raises(ModelError, match="ends before request 2"):
        processor.ask(REQUEST)


@pytest.mark.parametrize(
    "changed",
    [
        replace(REQUEST, sampling=replace(REQUEST.sampling, seed=2)),
        replace(REQUEST, messages=(replace(REQUEST.messages[0], role=Role.SYSTEM),)),
        replace(REQUEST, messages=(*REQUEST.messages, Message(Role.ASSISTANT, ""))),
        replace(REQUEST, tools=(ToolSpec("read", "Read.", {}),)),
    ],
)
def test_whatever_differs_in_a_request_differs_in_its_digest(changed: Request) -> None:
    assert request_digest(changed) != request_digest(REQUEST)
    assert request_digest(REQUEST) == request_digest(replace(REQUEST))
