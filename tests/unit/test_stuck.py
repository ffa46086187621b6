"""A window that goes round in circles is known by what its turns bring, never by the ids of calls."""

from __future__ import annotations

from collections.abc import Sequence

from lmac.messages import Finish, Reply, ToolCall
from lmac.transitions.stuck import Sign, Watch


def turn(watch: Watch, text: str, acts: Sequence[tuple[str, str]] = (), digest: str = "") -> Watch:
    """A reply, its actions with their results, and the digest that they leave."""
    before = watch.store_digest or "0"
    watch = watch.replied(Reply(text, Finish.STOP), before)
    for name, result in acts:
        watch = watch.acted(name, {"path": "a.py"}, result, digest or before)
    return watch


def test_the_same_calls_with_other_ids_and_other_spacing_are_the_same_reply() -> None:
    def calling(call_id: str, arguments: str) -> Reply:
        return Reply("", Finish.TOOL_CALLS, calls=(ToolCall(call_id, "read", arguments),))

    watch = Watch().replied(calling("call_1", '{"path": "a", "lines": "1"}'), "0")
    watch = watch.replied(calling("call_2", '{"lines":"1","path":"a"}'), "0")

    assert watch.signs == (Sign.SAME_REPLY,)
    assert watch.stalled == 1


def test_the_same_action_with_the_same_result_in_other_words_brings_nothing_new() -> None:
    watch = turn(turn(Watch(), "Let me see.", [("read", "A")]), "I look again.", [("read", "A")])

    assert watch.signs == (Sign.SAME_RESULTS,)


def test_the_same_action_with_another_result_is_new() -> None:
    watch = turn(turn(Watch(), "Let me see.", [("read", "A")]), "I look again.", [("read", "B")])

    assert watch.signs == ()


def test_edits_that_undo_each_other_are_seen_by_the_digest() -> None:
    there = turn(Watch(), "This way.", [("write", "wrote 1 line")], "1")
    back = turn(there, "That way.", [("write", "wrote 2 lines")], "0")

    assert there.signs == ()
    assert back.signs == (Sign.UNDONE,)


def test_other_files_that_fail_in_the_same_way_count_and_reading_between_them_does_not() -> None:
    first = turn(Watch(), "1", [("write", "w")], "1").judged(["test_a"], "1")
    reading = turn(first, "2", [("read", "r")], "1")
    again = turn(reading, "3", [("write", "w")], "2").judged(["test_a"], "2")
    other = turn(again, "4", [("write", "w")], "3").judged(["test_b"], "3")

    assert first.signs == reading.signs == other.signs == ()
    assert again.signs == (Sign.SAME_FAULTS,)


def test_an_alternation_is_a_circle_too() -> None:
    watch = Watch()
    stalled = []
    for text in ("a", "b", "a", "b", "a"):
        watch = turn(watch, text)
        stalled.append(watch.stalled)

    assert stalled == [0, 0, 1, 2, 3]


def test_heat_rises_with_every_turn_that_stalls_and_falls_with_every_other_one() -> None:
    watch = Watch()
    heats = []
    for text in ("a", "a", "a", "b", "c", "d"):
        watch = turn(watch.tempered(), text)
        heats.append(watch.heat)

    assert heats == [0, 0, 1, 2, 1, 0]
