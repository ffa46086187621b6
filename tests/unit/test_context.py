"""The window: metered, never sent over its limit, masked oldest first, and shortened by whole turns only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.context import (
    CAUTION,
    LARGEST_RATIO,
    LEAST_GAIN,
    SMALLEST_RATIO,
    ContextWindow,
    Size,
    TokenMeter,
    Turn,
    brief,
    size_of,
)
from lmac.messages import Finish as ReplyFinish
from lmac.messages import Message, Observation, Reply, Role, ToolCall, ToolSpec, Usage
from lmac.processor.native import NativeProtocol

PREFIX = (Message(Role.SYSTEM, "You write."), Message(Role.USER, "Write it."))
METER = TokenMeter()


def window(limit_tokens: int, turns: tuple[Turn, ...] = ()) -> ContextWindow:
    return ContextWindow(PREFIX, limit_tokens=limit_tokens, reply_tokens=20, turns=turns)


def native_turn(number: int, texts: list[str]) -> Turn:
    """A reply with a call for each text, and the answers, as the native protocol builds them."""
    protocol = NativeProtocol()
    calls = tuple(ToolCall(f"{number}.{index}", "read", '{"path": "a"}') for index in range(len(texts)))
    spoken = protocol.spoken(Reply("", ReplyFinish.TOOL_CALLS, calls=calls))

    def heard(said: list[str]) -> tuple[Message, ...]:
        observations = [
            Observation(text, ok=True, call_id=call.call_id) for call, text in zip(calls, said, strict=True)
        ]
        return (spoken, *protocol.heard(observations, "" if said else "go on"))

    return Turn(heard(texts), heard([brief(text) for text in texts]))


TEXTS = st.text(max_size=300) | st.text(min_size=1, max_size=3).map(lambda text: f"{text}\n" * 300)
TURNS = st.lists(st.lists(TEXTS, max_size=4), max_size=8).map(
    lambda turns: tuple(native_turn(number, texts) for number, texts in enumerate(turns))
)


def assert_paired(messages: tuple[Message, ...]) -> None:
    """Every answer follows its call, and every call has one."""
    asked: set[str] = set()
    for message in messages:
        asked |= {call.call_id for call in message.calls}
        if message.role is Role.TOOL:
            assert message.call_id in asked
    assert {message.call_id for message in messages if message.role is Role.TOOL} == asked


def test_messages_are_the_prefix_and_then_the_turns_in_order() -> None:
    first, second = native_turn(1, ["a"]), native_turn(2, ["b"])
    grown = window(1000).append(first).append(second)

    assert grown.messages == PREFIX + first.messages + second.messages
    assert window(1000).append(first).messages == grown.messages[: len(PREFIX) + len(first.messages)]


def test_the_reply_needs_room_as_well() -> None:
    tokens = window(0).tokens(METER)

    assert not window(tokens + 20).overflows(METER)
    assert window(tokens + 19).overflows(METER)


@given(TURNS, st.integers(50, 2000))
def test_shortened_never_orphans_an_answer_nor_leaves_a_call_without_one(
    turns: tuple[Turn, ...], limit_tokens: int
) -> None:
    assert_paired(window(limit_tokens, turns).shortened(METER).messages)


@given(TURNS, st.integers(50, 2000))
def test_shortened_keeps_the_last_turn_and_fits_where_anything_would(
    turns: tuple[Turn, ...], limit_tokens: int
) -> None:
    whole = window(limit_tokens, turns)
    short = whole.shortened(METER)

    assert short.prefix == whole.prefix
    assert short == whole or short.overflows(METER) == window(limit_tokens, short.turns).overflows(METER)
    if turns:
        assert short.turns[-1] in (turns[-1], turns[-1].masked())
        smallest = window(limit_tokens, (turns[-1].masked(),))
        assert not short.overflows(METER) or smallest.overflows(METER)


def test_the_last_turn_is_cut_to_a_line_where_it_does_not_fit() -> None:
    last = native_turn(2, ["long.py:\n" + "y\n" * 5000])
    kept = window(200, (native_turn(1, ["x"]), last)).shortened(METER)

    assert kept.turns == (last.masked(),)
    assert not kept.overflows(METER)


@given(TURNS, st.integers(50, 2000))
def test_masking_keeps_calls_and_answers_together_and_the_last_turn_whole(
    turns: tuple[Turn, ...], limit_tokens: int
) -> None:
    whole = window(limit_tokens, turns)
    masked, cut = whole.masked(METER)

    assert_paired(masked.messages)
    assert len(masked.turns) == len(turns)
    assert masked.turns[-1:] == turns[-1:]
    assert cut == sum(one != other for one, other in zip(turns, masked.turns, strict=True))
    if cut:
        assert not masked.overflows(METER)
        assert masked.tokens(METER) <= whole.tokens(METER) - limit_tokens * LEAST_GAIN


def test_masking_goes_from_the_oldest_on_in_one_go_and_never_back() -> None:
    turns = tuple(
        native_turn(number, [f"{number}.py, lines 1-99:\n" + "word " * 99 + "\n"]) for number in range(9)
    )
    full = window(0, turns).tokens(METER)
    masked, cut = window(full, turns).masked(METER)
    before = [turn.is_masked for turn in masked.turns]

    assert cut > 2
    assert before == [True] * cut + [False] * (9 - cut)
    assert [one for one, _ in zip(masked.turns, turns, strict=True)][cut:] == list(turns[cut:])
    assert "0.py, lines 1-99: [older: " in masked.turns[0].messages[1].text
    assert masked.masked(METER) == (masked, 0), "what would free nothing is not done"


def test_a_short_observation_stays_and_a_mark_is_never_left_open() -> None:
    assert brief("Wrote a.py.") == "Wrote a.py."
    assert "<untrusted>" not in brief("<untrusted>\n" + "x\n" * 300 + "</untrusted>")
    assert brief("Ran a.py: exit 0.\n" + "x\n" * 300).startswith("Ran a.py: exit 0. [older: 300 more lines")


@given(TURNS, st.text(max_size=500))
def test_a_longer_window_is_never_estimated_smaller(turns: tuple[Turn, ...], text: str) -> None:
    said = (Message(Role.USER, text),)
    grown = window(1000, turns).append(Turn(said, said))

    assert grown.tokens(METER) > window(1000, turns).tokens(METER)


def test_calls_and_tools_cost_tokens_too() -> None:
    plain = (Message(Role.ASSISTANT, ""),)
    calling = (Message(Role.ASSISTANT, "", calls=(ToolCall("1", "write", "x" * 3000),)),)
    tool = ToolSpec("write", "w" * 3000, {"type": "object"})
    offering = ContextWindow(PREFIX, limit_tokens=0, reply_tokens=0, tools=(tool,))

    assert METER.tokens(size_of(calling)) > METER.tokens(size_of(plain)) + 1000
    assert offering.tokens(METER) > window(0).tokens(METER) + 1000


def test_what_the_server_has_counted_is_taken_as_it_is_and_only_the_rest_estimated() -> None:
    said = (Message(Role.ASSISTANT, "word " * 400),)
    counted = window(5000, (Turn(said, said),)).counted_as(450)
    more = (Message(Role.USER, "word " * 40),)

    assert 450 <= counted.tokens(METER) <= 460
    assert 500 <= counted.append(Turn(more, more)).tokens(METER) <= 560


def test_a_reply_counts_as_the_server_counted_it() -> None:
    said = (Message(Role.ASSISTANT, "=" * 400), Message(Role.USER, "go on"))

    assert Turn(said, said, spoken_tokens=160).tokens(METER) < 200
    assert Turn(said, said).tokens(METER) > 400
    assert Turn(said, said, spoken_tokens=3).tokens(METER) > 400, "no text is so short in tokens"


@pytest.mark.parametrize("prompt_tokens", [0, 3, 10**9])
def test_a_count_that_cannot_be_this_window_s_is_none(prompt_tokens: int) -> None:
    said = (Message(Role.ASSISTANT, "word " * 400),)

    assert window(5000, (Turn(said, said),)).counted_as(prompt_tokens).counted is None


@given(st.floats(1.0, 8.0), st.integers(3000, 50_000))
def test_the_meter_learns_the_model_s_ratio_and_stays_above_the_count(
    weight_per_token: float, weight: int
) -> None:
    counted = int(weight / weight_per_token) + 8
    meter = METER.learn(Size(weight, 1), Usage(prompt_tokens=counted))

    assert counted <= meter.tokens(Size(weight, 1)) <= counted * CAUTION * 1.05 + 40


def test_the_meter_learns_nothing_from_a_short_request_or_an_absent_count() -> None:
    meter = TokenMeter(2.5)

    assert meter.learn(Size(9000, 1), Usage()) == meter
    assert meter.learn(Size(5, 1), Usage(prompt_tokens=30)) == meter


@given(st.text(max_size=2000), st.integers(0, 10**9))
def test_no_count_of_a_server_takes_the_meter_out_of_reason(text: str, prompt_tokens: int) -> None:
    learnt = METER.learn(size_of([Message(Role.USER, text)]), Usage(prompt_tokens=prompt_tokens))

    assert SMALLEST_RATIO <= learnt.weight_per_token <= LARGEST_RATIO


def test_a_new_window_is_metered_by_the_densest_one_that_was_opened_before() -> None:
    meter = METER.learn(Size(3000), Usage(prompt_tokens=1500), opening=True)
    meter = meter.learn(Size(30_000), Usage(prompt_tokens=6000))

    assert meter.tokens(Size(3000)) < 700
    assert meter.for_opening().tokens(Size(3000)) > 1500


def test_a_refused_request_makes_the_meter_more_careful_down_to_a_floor() -> None:
    meter = TokenMeter(3.0)

    assert meter.refused().weight_per_token < 3.0
    for _ in range(50):
        meter = meter.refused()
    assert meter.weight_per_token == SMALLEST_RATIO


def test_what_no_tokenizer_makes_short_weighs_more() -> None:
    assert size_of([Message(Role.USER, "0" * 90)]).weight > size_of([Message(Role.USER, "o" * 90)]).weight
    assert size_of([Message(Role.USER, "ж" * 90)]).weight > size_of([Message(Role.USER, "o" * 180)]).weight


def test_without_its_oldest_turn_a_window_does_not_take_the_next_one_for_counted() -> None:
    short, long = native_turn(1, ["short"]), native_turn(2, ["a long text, line by line\n" * 300])
    counted = window(9000, (short,)).counted_as(200)
    shorter = counted.append(long).without_oldest(METER)

    assert shorter.turns == (long,)
    assert shorter.tokens(METER) > METER.tokens(long.size)
    assert shorter.tokens(METER) <= counted.append(long).tokens(METER)
