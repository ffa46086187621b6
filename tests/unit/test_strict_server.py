"""What a conversation sends is taken by servers that refuse all that servers in use refuse."""

from __future__ import annotations

import pytest

from lmac.errors import ContextOverflow, ModelFault
from lmac.messages import Finish, Message, Reply, Request, Role, Sampling
from random_conversations import FAMILIES, converse
from strict_processor import StrictProcessor
from strict_requests import Body, request_fault

SYSTEM: Body = {"role": "system", "content": "You write."}
USER: Body = {"role": "user", "content": "Write it."}
TOOL: Body = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


def called(call_id: str = "c1", name: str = "read", arguments: str = "{}") -> Body:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def answered(call_id: str = "c1", content: str = "a file") -> Body:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def said(content: str) -> Body:
    return {"role": "assistant", "content": content}


def body(*messages: Body, tools: tuple[Body, ...] = (TOOL,), **rest: object) -> Body:
    return {"model": "m", "messages": list(messages), "tools": list(tools), "max_tokens": 10, **rest}


@pytest.mark.parametrize(
    "messages",
    [
        (SYSTEM, USER),
        (USER,),
        (SYSTEM, USER, said("hello"), USER),
        (SYSTEM, USER, called(), answered()),
        (SYSTEM, USER, called(), answered(), USER),
        (SYSTEM, USER, called(), answered(), called("c2"), answered("c2"), said("so"), USER),
    ],
)
def test_a_sound_request_is_taken(messages: tuple[Body, ...]) -> None:
    assert request_fault(body(*messages)) == ""


@pytest.mark.parametrize(
    ("refused", "fault"),
    [
        (body(), "required"),
        (body(USER, temperature=3), "out of range"),
        (body(USER, max_tokens=0), "out of range"),
        (body(USER, SYSTEM), "must stand first"),
        (body({"role": "user", "content": " \n"}), "empty"),
        (body({"role": "user", "content": "\ud800"}), "surrogate"),
        (body(USER, USER), "in a row"),
        (body(SYSTEM, said("hello"), USER), "must answer something"),
        (body(USER, said("")), "neither content nor tool calls"),
        (body(USER, said("hello")), "last message"),
        (body(USER, answered()), "answers no call"),
        (body(USER, called(), USER), "unanswered"),
        (body(USER, called()), "unanswered"),
        (body(USER, called(), answered(), answered()), "answers no call"),
        (body(USER, called(), answered("c2")), "answers no call"),
        (body(USER, called(), answered(content="")), "empty"),
        (body(USER, called(), answered(), called(), answered()), "not its own"),
        (body(USER, called(""), answered("")), "not its own"),
        (body(USER, called(arguments='{"a": '), answered()), "no JSON"),
        (body(USER, called(arguments="[]"), answered()), "no JSON object"),
        (body(USER, called(name="read it!"), answered()), "no name"),
        (body(USER, called(), answered(), tools=()), "without tools"),
        (body(USER, tools=(TOOL, TOOL)), "two tools"),
    ],
)
def test_what_a_server_in_use_refuses_is_refused(refused: Body, fault: str) -> None:
    assert fault in request_fault(refused)


def test_a_request_over_the_context_is_refused_with_both_sizes() -> None:
    request = Request((Message(Role.USER, "one two " * 6),), Sampling(0.0, reply_tokens=90))
    for reserves_reply in (True, False):
        server = StrictProcessor(lambda _: Reply("a", Finish.STOP), 12, reserves_reply=reserves_reply)
        with pytest.raises(ContextOverflow) as refusal:
            server.ask(request)
        assert (refusal.value.context_tokens, refusal.value.prompt_tokens) == (12, 18)
        assert (server.too_long, server.refused) == (1, [])


def test_a_fault_is_an_error_of_the_request() -> None:
    server = StrictProcessor(lambda _: Reply("a", Finish.STOP))
    with pytest.raises(ModelFault, match="last message"):
        server.ask(Request((Message(Role.USER, "a"), Message(Role.ASSISTANT, "b")), Sampling(0.0, 9)))

    assert len(server.refused) == 1


def test_the_part_that_was_sent_before_comes_from_the_cache() -> None:
    server = StrictProcessor(lambda _: Reply("three", Finish.STOP))
    first = (Message(Role.SYSTEM, "one two"), Message(Role.USER, "three"))
    server.ask(Request(first, Sampling(0.0, 9)))
    grown = (*first, Message(Role.ASSISTANT, "three"), Message(Role.USER, "four"))
    reply = server.ask(Request(grown, Sampling(0.0, 9)))

    assert reply.usage.cached_tokens == server.prompt_tokens(Request(first, Sampling(0.0, 9)))


@pytest.mark.parametrize("part", range(4))
def test_no_request_of_a_random_conversation_is_refused(part: int) -> None:
    told = [converse(seed) for seed in range(part * 75, part * 75 + 75)]

    assert [fault for one in told for fault in one.refused] == []
    assert [one.too_long for one in told if one.family == "honest"] == [0] * 25
    assert sum(one.masked for one in told) > 0
    for family in FAMILIES[1:]:
        recovered = [one for one in told if one.family == family and one.too_long]
        assert recovered, "servers that hold less than was said have to refuse something"
        # A conversation that cannot go on ends early, with its few fruitless tries.
        assert all(one.calls > 2 * one.too_long for one in recovered)
