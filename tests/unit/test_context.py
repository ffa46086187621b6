"""The window: metered, never sent over its limit, and shortened by whole turns only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lmac.context import CAUTION, ContextWindow, TokenMeter, Turn
from lmac.messages import Finish as ReplyFinish
from lmac.messages import Message, Observation, Reply, Role, ToolCall, ToolSpec, Usage
from lmac.processor.native import NativeProtocol

PREFIX = (Message(Role.SYSTEM, "You write."), Message(Role.USER, "Write it."))


def window(limit_tokens: int, turns: tuple[Turn, ...] = ()) -> ContextWindow:
    return ContextWindow(PREFIX, limit_tokens=limit_tokens, reply_tokens=20, turns=turns)


def native_turn(number: int, texts: list[str]) -> Turn:
    """A reply with a call for each text, and the answers, as the native protocol builds them."""
    protocol = NativeProtocol()
    calls = tuple(ToolCall(f"{number}.{index}", "read", '{"path": "a"}') for index in range(len(texts)))
    reply = Reply("", ReplyFinish.TOOL_CALLS, calls=calls)
    observations = [
        Observation(text, ok=True, call_id=call.call_id) for call, text in zip(calls, texts, strict=True)
    ]
    return (protocol.spoken(reply), *protocol.heard(observations, "" if texts else "go on"))


TURNS = st.lists(st.lists(st.text(max_size=300), max_size=4), max_size=8).map(
    lambda turns: tuple(native_turn(number, texts) for number, texts in enumerate(turns))
)


def test_messages_are_the_prefix_and_then_the_turns_in_order() -> None:
    first, second = native_turn(1, ["a"]), native_turn(2, ["b"])
    grown = window(1000).append(first).append(second)

    assert grown.messages == PREFIX + first + second
    assert window(1000).append(first).messages == grown.messages[: len(PREFIX) + len(first)]


def test_the_reply_needs_room_as_well() -> None:
    tokens = window(0).tokens(TokenMeter())

    assert not window(tokens + 20).overflows(TokenMeter())
    assert window(tokens + 19).overflows(TokenMeter())


@given(TURNS, st.integers(50, 2000))
def test_shortened_never_orphans_an_answer_nor_leaves_a_call_without_one(
    turns: tuple[Turn, ...], limit_tokens: int
) -> None:
    messages = window(limit_tokens, turns).shortened(TokenMeter()).messages
    asked: set[str] = set()
    for message in messages:
        asked |= {call.call_id for call in message.calls}
        if message.role is Role.TOOL:
            assert message.call_id in asked
    answered = {message.call_id for message in messages if message.role is Role.TOOL}

    assert answered == asked


@given(TURNS, st.integers(50, 2000))
def test_shortened_drops_as_few_of_the_oldest_turns_as_will_do(
    turns: tuple[Turn, ...], limit_tokens: int
) -> None:
    meter = TokenMeter()
    whole = window(limit_tokens, turns)
    short = whole.shortened(meter)
    dropped = len(whole.turns) - len(short.turns)

    assert short.prefix == whole.prefix
    assert short.turns == whole.turns[dropped:]
    assert not short.overflows(meter) or len(short.turns) <= 1
    if dropped:
        assert window(limit_tokens, turns[dropped - 1 :]).overflows(meter)


def test_the_last_turn_stays_even_where_it_does_not_fit() -> None:
    last = native_turn(2, ["y" * 5000])

    assert window(100, (native_turn(1, ["x"]), last)).shortened(TokenMeter()).turns == (last,)


@given(TURNS, st.text(max_size=500))
def test_a_longer_window_is_never_estimated_smaller(turns: tuple[Turn, ...], text: str) -> None:
    grown = window(1000, turns).append((Message(Role.USER, text),))

    assert grown.tokens(TokenMeter()) > window(1000, turns).tokens(TokenMeter())


def test_calls_and_tools_cost_tokens_too() -> None:
    meter = TokenMeter()
    plain = (Message(Role.ASSISTANT, ""),)
    calling = (Message(Role.ASSISTANT, "", calls=(ToolCall("1", "write", "x" * 3000),)),)
    tool = ToolSpec("write", "w" * 3000, {"type": "object"})

    assert meter.tokens(calling) > meter.tokens(plain) + 1000
    assert meter.tokens(plain, (tool,)) > meter.tokens(plain) + 1000


@given(st.floats(1.0, 6.0), st.integers(3000, 50_000))
def test_the_meter_learns_the_model_s_ratio_and_stays_above_the_count(
    characters_per_token: float, characters: int
) -> None:
    messages = (Message(Role.USER, "x" * characters),)
    counted = int(characters / characters_per_token) + 5
    meter = TokenMeter().learn(messages, (), Usage(prompt_tokens=counted))

    assert counted <= meter.tokens(messages) <= counted * CAUTION * 1.05 + 40


def test_the_meter_learns_nothing_from_a_short_request_or_an_absent_count() -> None:
    meter = TokenMeter(2.5)

    assert meter.learn((Message(Role.USER, "x" * 9000),), (), Usage()) == meter
    assert meter.learn((Message(Role.USER, "hello"),), (), Usage(prompt_tokens=30)) == meter


@given(st.text(max_size=2000), st.integers(0, 10**9))
def test_no_count_of_a_server_takes_the_meter_out_of_reason(text: str, prompt_tokens: int) -> None:
    learnt = TokenMeter().learn((Message(Role.USER, text),), (), Usage(prompt_tokens=prompt_tokens))

    assert 1.0 <= learnt.characters_per_token <= 6.0


def test_a_refused_request_makes_the_meter_more_careful_down_to_a_floor() -> None:
    meter = TokenMeter(3.0)

    assert meter.refused().characters_per_token < 3.0
    for _ in range(50):
        meter = meter.refused()
    assert meter.characters_per_token == 1.0
