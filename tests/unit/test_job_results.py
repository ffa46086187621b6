"""What comes back of a job: output that was cut, events, and answers that are not what a runner sends."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac_sandbox import printable_text
from lmac_sandbox.answers import Answer
from lmac_sandbox.errors import WireError
from lmac_sandbox.inside.events import EVENTS, line_of, parse_events
from lmac_sandbox.inside.kept import Kept
from lmac_sandbox.inside.notices import Notice, NoticeKind
from lmac_sandbox.inside.users import BoxUsers
from lmac_sandbox.jobs import Job, Output, Reading, result_of
from lmac_sandbox.limits import Limits

USERS = BoxUsers(3)
FINISHED = {"kind": "finished", "exit_code": 0}
COVERED = {"kind": "coverage", "path": "a.py", "statements": 3, "missed": 2, "missing": [1]}
PASSED = {"kind": "test", "id": "t::a", "outcome": "passed", "seconds": 0.1, "text": ""}
EMPTY = {"head": "", "tail": "", "total_bytes": 0}
NOTICE = {"kind": "hidden", "path": "a\u202e.py", "line": 1, "text": "\x1b[2Jx"}
READING: dict[str, Any] = {
    "expected_ids": ["t.py::a"],
    "assertions": [1],
    "ids_left_out": 0,
    "notices": [NOTICE],
    "notices_left_out": 0,
}
ANSWER: dict[str, Any] = {
    "ending": "exited",
    "exit_code": 0,
    "signal": None,
    "stdout": EMPTY,
    "stderr": EMPTY,
    "subject": EMPTY,
    "events": [PASSED, FINISHED],
    "seconds": 0.5,
    "leftover_processes": 0,
    "reading": READING,
}


@given(st.lists(st.binary(max_size=50)), st.integers(2, 60))
def test_head_and_tail_are_those_of_the_whole_stream(chunks: list[bytes], limit_bytes: int) -> None:
    kept = Kept(limit_bytes)
    for chunk in chunks:
        kept.feed(chunk)
    whole = b"".join(chunks)
    head, tail = kept.parts()

    assert kept.total_bytes == len(whole)
    if len(whole) <= limit_bytes:
        assert (head, tail) == (whole, b"")
    else:
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert len(head) + len(tail) == limit_bytes


def test_text_names_what_was_left_out_and_loses_control_sequences() -> None:
    output = Output(b"\x1b[31mred\x1b[0m\x07", b"\x1b]0;title\x07end\xff", 100)

    assert output.text() == "red\n[... 73 bytes left out ...]\nend\ufffd"


def test_printable_text_keeps_lines_and_tabs_and_loses_what_steers_a_terminal() -> None:
    assert printable_text("a\tb\r\nc\rd\x1b[2J\x1b]8;;http://x\x07e\u202ef\x9b") == "a\tb\ncdef"


def test_events_of_a_result_hold_no_control_sequences() -> None:
    dirty = "\x1b[1mt\x07\r\nu\x1b]0;x\x07"
    events: list[dict[str, Any]] = [
        {"kind": "collected", "ids": [dirty, "t"]},
        {"kind": "collect_error", "id": dirty, "text": dirty},
        PASSED | {"id": dirty, "text": dirty},
        FINISHED,
    ]
    assert result_of(Answer(ANSWER | {"events": events}, "runner"), Limits(), USERS).events == (
        {"kind": "collected", "ids": ["t\nu", "t"]},
        {"kind": "collect_error", "id": "t\nu", "text": "t\nu"},
        PASSED | {"id": "t\nu", "text": "t\nu"},
        FINISHED,
    )


def test_events_come_back_as_they_were_told() -> None:
    assert parse_events(line_of(PASSED) + line_of(FINISHED)) == ([PASSED, FINISHED], False)


def test_nothing_is_read_beyond_the_first_fault_the_end_or_the_most_events() -> None:
    assert parse_events(line_of(PASSED) + b"\n" + line_of(PASSED)) == ([PASSED], True)
    assert parse_events(line_of(FINISHED) + line_of(PASSED)) == ([FINISHED], True)
    events, garbled = parse_events(line_of({"kind": "collected", "ids": []}) * (EVENTS + 2))
    assert (len(events), garbled) == (EVENTS, True)


@pytest.mark.parametrize("flood", [b"\n", b"{}\n", b"[", b"1\n"])
def test_a_flood_of_bad_lines_takes_no_time(flood: bytes) -> None:
    before = time.process_time()

    parse_events(flood * (2**22 // len(flood)))

    assert time.process_time() - before < 0.5


def test_the_half_line_of_a_killed_session_is_no_fault() -> None:
    assert parse_events(line_of(PASSED) + b'{"kind": "fini') == ([PASSED], False)


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"[" * 100_000 + b"\n",
        line_of(FINISHED | {"more": 1}),
        line_of(PASSED | {"outcome": "great"}),
        line_of(PASSED | {"seconds": float("nan")}),
        line_of(PASSED | {"seconds": 10**400}),
        line_of(PASSED | {"text": "\ud800"}),
        line_of(PASSED | {"id": "x" * 1001}),
        line_of(FINISHED | {"exit_code": True}),
        line_of(COVERED | {"missed": 9}),
        line_of(COVERED | {"missing": [1, 2, 3]}),
        line_of(COVERED | {"missing": [True]}),
        line_of(COVERED | {"statements": 2**31}),
        line_of(FINISHED) + line_of(PASSED),
    ],
    ids=[
        "nonsense",
        "deep",
        "field",
        "outcome",
        "nan",
        "huge seconds",
        "surrogate",
        "long id",
        "bool",
        "more missed than there is",
        "more missing than missed",
        "bool for a line",
        "huge count",
        "after the end",
    ],
)
def test_events_that_are_not_ours_garble_the_report(line: bytes) -> None:
    assert parse_events(line)[1]


def test_coverage_of_a_file_is_an_event() -> None:
    assert parse_events(line_of(COVERED)) == ([COVERED], False)


def test_a_whole_answer_becomes_a_result() -> None:
    assert result_of(Answer(copy.deepcopy(ANSWER), "runner"), Limits(), USERS).exit_code == 0


def test_texts_of_two_boxes_can_be_compared_although_their_users_differ() -> None:
    texts = set()
    for users in (USERS, BoxUsers(299)):
        result = result_of(Answer(copy.deepcopy(ANSWER), "runner"), Limits(), users)
        texts.add(
            result.same_for_all_boxes(f"{users.job} is not {users.judge}, /run/{users.job} {users.job}7 x")
        )
        assert result.same_for_all_boxes("assert 60570 == 61180") == "assert 60570 == 61180"

    assert {text.replace("605837", "_").replace("608797", "_") for text in texts} == {
        "[uid] is not [uid], /run/[uid] _ x"
    }


def test_a_reading_loses_control_sequences_and_may_be_absent() -> None:
    reading = result_of(Answer(copy.deepcopy(ANSWER), "runner"), Limits(), USERS).reading

    assert reading == Reading(("t.py::a",), (1,), notices=(Notice(NoticeKind.HIDDEN, "a.py", 1, "x"),))
    assert result_of(Answer(ANSWER | {"reading": None}, "runner"), Limits(), USERS).reading is None


@pytest.mark.parametrize(
    "change",
    [
        {"ending": "passed"},
        {"ending": "timed_out"},
        {"exit_code": None},
        {"exit_code": -1},
        {"exit_code": True},
        {"signal": "9"},
        {"stdout": {"head": "!", "tail": "", "total_bytes": 1}},
        {"stdout": {"head": "A" * (2 * Limits().kept_bytes), "tail": "", "total_bytes": 1}},
        {"stderr": []},
        {"events": [{"kind": "surprise"}]},
        {"events": None},
        {"seconds": -1.0},
        {"seconds": 10**400},
        {"leftover_processes": 1.5},
        {"reading": []},
        {"reading": READING | {"more": 1}},
        {"reading": READING | {"expected_ids": ["x" * 1001]}},
        {"reading": READING | {"expected_ids": ["x"] * 10_001, "assertions": [1] * 10_001}},
        {"reading": READING | {"assertions": []}},
        {"reading": READING | {"assertions": [-1]}},
        {"reading": READING | {"assertions": [True]}},
        {"reading": READING | {"ids_left_out": -1}},
        {"reading": READING | {"ids_left_out": True}},
        {"reading": READING | {"notices": [NOTICE | {"kind": "surprise"}]}},
        {"reading": READING | {"notices": [NOTICE | {"kind": ["hidden"]}]}},
        {"reading": READING | {"notices": [NOTICE | {"line": -1}]}},
        {"reading": READING | {"notices": [NOTICE | {"text": "x" * 301}]}},
        {"reading": READING | {"notices": [NOTICE] * 201}},
    ],
    ids=[
        "unknown ending",
        "code without exit",
        "exit without code",
        "negative code",
        "bool code",
        "text signal",
        "no base64",
        "long output",
        "no output",
        "unknown event",
        "no events",
        "negative seconds",
        "huge seconds",
        "fraction of a process",
        "a list for a reading",
        "unknown field of a reading",
        "long expected id",
        "too many expected ids",
        "fewer counts than ids",
        "negative assertions",
        "bool assertions",
        "negative count",
        "bool count",
        "unknown notice",
        "list for a kind",
        "negative line",
        "long notice",
        "too many notices",
    ],
)
def test_an_answer_that_is_not_a_runners_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        result_of(Answer(copy.deepcopy(ANSWER) | change, "runner"), Limits(), USERS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"argv": ()},
        {"argv": ("x" * 2_000_000,)},
        {"argv": ("a",), "environment": {"A=B": "1"}},
        {"argv": (), "program": "runner"},
    ],
    ids=["empty", "long", "variable", "no program of ours"],
)
def test_a_job_that_no_process_could_be_given_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"job|variable|program of ours"):
        Job(**wrong)
