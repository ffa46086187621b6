"""Progress: made of the journal's events, one line each, and nothing in it is obeyed by a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.journal import Event
from lmac.progress import progress_listener

USAGE = {"prompt_tokens": 10, "reply_tokens": 5, "cached_tokens": 2}
REPLY = {"text": "d", "calls": [], "finish": "length", "usage": USAGE, "model": "m", "seconds": 1.5}
TESTS = {
    "check": "tests",
    "verdict": "broken off",
    "ending": "timed_out",
    "passed_count": 1,
    "failed_count": 2,
    "counts_tests": True,
    "claimed": True,
    "reuse": "run",
}
TYPES = {"check": "types", "verdict": "passed", "ending": "exited", "passed_count": 4}
COURSE: list[tuple[str, Mapping[str, Any]]] = [
    ("run_opened", {"profile": {"name": "m"}, "image_id": "sha256:0123456789abcdef"}),
    ("requirements", {"source": "the task's own numbers", "requirements": [{"number": 1, "text": "x"}]}),
    ("program", {"instructions": [{"text": "Write it.", "files": []}, {"text": "Test it.", "files": []}]}),
    ("decision", {"what": "Ask"}),
    ("window", {"instruction": 0, "attempt": 0}),
    ("request", {"purpose": "turn", "estimated_tokens": 100}),
    ("reply", REPLY),
    ("observation", {"action": "write", "arguments": {"path": "a.py"}, "ok": False}),
    ("report", {"results": [TESTS, TYPES]}),
    ("ledger", {"open": [2], "built": [], "shown": [1], "shown_by": {"1": ["t"]}}),
    ("restart", {"instruction": 0, "reason": "the window is full", "progress": "secret words"}),
    ("window", {"instruction": 0, "attempt": 1}),
    ("instruction_end", {"end": "completed"}),
    ("exported", {"store_digest": "d", "files": 1, "lines": 2}),
    ("run_closed", {"outcome": "completed", "error": "", "seconds": 3.0}),
]


def shown(course: list[tuple[str, Mapping[str, Any]]], as_json: bool) -> list[str]:
    stream = io.StringIO()
    listener = progress_listener("r1", stream, as_json)
    for number, (kind, data) in enumerate(course):
        listener(Event(number, "2026-01-01T00:00:00.000+00:00", kind, data))
    return stream.getvalue().splitlines()


def test_json_lines_are_bound_to_run_instruction_and_turn() -> None:
    lines = [json.loads(line) for line in shown(COURSE, as_json=True)]
    reply = next(line for line in lines if line["event"] == "reply")

    assert {line["run"] for line in lines} == {"r1"}
    assert (reply["instruction"], reply["turn"], reply["finish"]) == ("1/2", 1, "length")
    assert "instruction" not in lines[-1]


def test_lines_for_people_say_what_was_judged_and_refused() -> None:
    text = "\n".join(shown(COURSE, as_json=False))

    said = "broken off: timed out (1 passed, 2 failed, claimed by the tests' own process, box of grade run)"
    for part in (said, "types=passed", "write", "refused", "attempt", "completed", "0123456789ab"):
        assert part in text
    assert "secret words" not in text
    assert "decision" not in text


HAPPENINGS: list[tuple[str, Mapping[str, Any], str]] = [
    ("started_from", {"folder": "p", "files": {"a.py": "d"}, "left_out": [["b", "no text"]]}, "left_out=1"),
    ("standing_suites", {"tests": {"examples": 3}}, "judged_along=['examples']"),
    ("server_sizes", {"context_tokens": 4096, "reply_tokens": 1024}, "context_tokens=4096"),
    ("floor", {"results": [TYPES]}, "types=passed"),
    ("decision", {"what": "RefuseFinish", "reason": "the checks do not pass"}, "the checks do not pass"),
    ("candidates", {"chosen": 1, "green": [False, True], "ranks": [], "scores": []}, "took=2"),
    ("window_narrowed", {"tokens": 2048, "before": 4096}, "before=4096"),
    ("budget_refused", {"spent": "money", "scope": "instruction"}, "spent=money"),
    ("masked", {"turns": 2, "tokens": 900}, "turns=2"),
    ("stuck", {"reason": "edits undid each other", "turns": 2, "heat": 1}, "edits undid each other"),
    ("unstuck", {"reason": "", "turns": 0, "heat": 0}, "heat=0"),
    ("restored", {"store_digest": "a" * 64, "instead_of": "b" * 64, "ranks": []}, "instead_of=bbbbbbbbbbbb"),
    ("split_asked", {"instruction": 0, "reason": "6 turns did not complete it"}, "6 turns"),
    (
        "protocol_stepped_down",
        {"reason": "2 replies", "before": "native", "after": "fenced", "program_form": "numbered"},
        "after=fenced",
    ),
    ("summary_missing", {"reason": "an empty reply (stop)"}, "an empty reply"),
    ("test_retired", {"test": "t.py::a", "reason": "renamed"}, "t.py::a"),
    ("store_lost", {"text": "3 files were lost"}, "3 files were lost"),
    ("instruction_end", {"end": "given up", "reason": "its calls are spent"}, "its calls are spent"),
]


@pytest.mark.parametrize(("kind", "data", "said"), HAPPENINGS, ids=[kind for kind, *_ in HAPPENINGS])
def test_what_happens_to_a_run_has_a_line(kind: str, data: Mapping[str, Any], said: str) -> None:
    [line] = shown([(kind, data)], as_json=False)

    assert said in line


def test_the_place_of_a_line_is_told_as_people_count() -> None:
    lines = [json.loads(line) for line in shown(COURSE, as_json=True)]

    assert next(line for line in lines if line["event"] == "restart")["instruction"] == "1/2"


HOSTILE = st.text(alphabet=st.sampled_from("\x1b\x07\x9b\r\n\u202e\u2028a[2J"), max_size=12)


@given(HOSTILE, st.booleans())
def test_no_line_holds_what_a_terminal_would_obey(text: str, as_json: bool) -> None:
    course: list[tuple[str, Mapping[str, Any]]] = [
        ("program", {"instructions": [{"text": text, "files": []}]}),
        ("observation", {"action": text, "arguments": {"path": text}, "ok": True}),
        ("program_refused", {"fault": text}),
        ("program_gaps", {"gaps": [text]}),
        ("revision_refused", {"reason": text, "fault": text}),
        ("program_revised", {"change": "add", "reason": text, "instructions": [{}]}),
        ("stuck", {"reason": text, "turns": 1, "heat": 1}),
        ("test_retired", {"test": text, "reason": text}),
        ("decision", {"what": "RefuseFinish", "reason": text}),
        ("model_error", {"error": "ModelFault", "text": text}),
        ("retry", {"error": "ModelFault", "text": text, "wait_seconds": 1.0}),
        ("run_closed", {"outcome": "model failed", "error": text, "seconds": 1.0}),
    ]
    lines = shown(course, as_json)

    assert len(lines) == len(course)
    assert all(line.isprintable() for line in lines)


def test_an_event_of_a_kind_that_is_not_known_yet_is_passed_over() -> None:
    assert shown([("something_new", {})], as_json=True) == []
