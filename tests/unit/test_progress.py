"""Progress: made of the journal's events, one line each, and nothing in it is obeyed by a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

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
    ("restart", {"reason": "the window is full", "progress": "secret words"}),
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
        ("model_error", {"error": "ModelFault", "text": text}),
        ("retry", {"error": "ModelFault", "text": text, "wait_seconds": 1.0}),
        ("run_closed", {"outcome": "model failed", "error": text, "seconds": 1.0}),
    ]
    lines = shown(course, as_json)

    assert len(lines) == len(course)
    assert all(line.isprintable() for line in lines)


def test_an_event_of_a_kind_that_is_not_known_yet_is_passed_over() -> None:
    assert shown([("something_new", {})], as_json=True) == []
