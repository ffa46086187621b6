"""What a test session tells while it runs: JSON lines over a pipe of its own, never over its output.

kind            fields
collected       ids: list of test ids; may come several times
deselected      ids
collect_error   id, text
test            id, outcome (passed, failed, error, skipped, xfailed, xpassed), seconds, text
interrupted     text: the session stopped early; no `finished` follows
coverage        path, statements, missed, missing (the first line numbers); when asked for, once a file
answered        comparisons: how many the subject answered, told once by a judge
finished        exit_code; the last event
"""

from __future__ import annotations

import json
from typing import Any

EVENTS = 60_000
"""Of one session; they are read while the runner does nothing else."""
LINE_BYTES = 256 * 2**10
ID_CHARACTERS = 1_000
TEXT_CHARACTERS = 6_000
"""Kept of one failure; the middle goes."""
SECONDS = 1e6
COVERED_FILES = 500
MISSING_LINES = 200
_COVERAGE_FIELDS = frozenset({"kind", "path", "statements", "missed", "missing"})
OUTCOMES = frozenset({"passed", "failed", "error", "skipped", "xfailed", "xpassed"})

Event = dict[str, Any]


def line_of(event: Event) -> bytes:
    """One event as it goes over the pipe."""
    return json.dumps(event, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def parse_events(raw: bytes) -> tuple[list[Event], bool]:
    """The whole events up to the first fault, and whether there is one.

    A fault is a line that is none of ours, any line after `finished`, and more than `EVENTS` lines; what
    follows is not looked at, for every bad line would cost an exception. A last line without its end is what
    a killed session leaves; it is dropped and is no fault.
    """
    events: list[Event] = []
    start = 0
    while (end := raw.find(b"\n", start)) >= 0:
        ended = bool(events) and events[-1]["kind"] == "finished"
        event = None if ended or len(events) == EVENTS else _parse_line(raw[start:end])
        if event is None:
            return events, True
        events.append(event)
        start = end + 1
    return events, False


def checked_event(event: object) -> Event | None:
    """The event when it has exactly the fields and types of its kind; else None."""
    if not isinstance(event, dict):
        return None
    match event:
        case {"kind": "collected" | "deselected", "ids": list(ids), **rest} if not rest:
            return event if all(is_text(item, ID_CHARACTERS) for item in ids) else None
        case {"kind": "collect_error", "id": identity, "text": text, **rest} if not rest:
            return event if is_text(identity, ID_CHARACTERS) and is_text(text, TEXT_CHARACTERS) else None
        case {"kind": "test", "id": _, "outcome": _, "seconds": _, "text": _, **rest} if not rest:
            return event if _is_test(event) else None
        case {"kind": "interrupted", "text": text, **rest} if not rest:
            return event if is_text(text, TEXT_CHARACTERS) else None
        case {"kind": "coverage"} if event.keys() == _COVERAGE_FIELDS:
            return event if _is_coverage(event) else None
        case {"kind": "answered", "comparisons": int(count), **rest} if not rest:
            return event if 0 <= count < 2**53 and not isinstance(count, bool) else None
        case {"kind": "finished", "exit_code": int(code), **rest} if not rest:
            return event if 0 <= code <= 255 and not isinstance(code, bool) else None
        case _:
            return None


def cut_text(text: str, characters: int = TEXT_CHARACTERS) -> str:
    """The text with surrogates escaped; of a longer one head and tail, and how much is left out between."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) <= characters:
        return text
    half = characters // 2 - 30
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"


def _parse_line(line: bytes) -> Event | None:
    # Ours escape all else; what is not ours would be longer once it is written again.
    if len(line) > LINE_BYTES or not line.isascii():
        return None
    try:
        return checked_event(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _is_test(event: Event) -> bool:
    seconds = event["seconds"]
    return (
        is_text(event["id"], ID_CHARACTERS)
        and is_text(event["text"], TEXT_CHARACTERS)
        and event["outcome"] in OUTCOMES
        and isinstance(seconds, (int, float))
        and 0 <= seconds < SECONDS
    )


def _is_coverage(event: Event) -> bool:
    missing = event["missing"]
    return (
        is_text(event["path"], ID_CHARACTERS)
        and all(_is_count(event[key]) for key in ("statements", "missed"))
        and isinstance(missing, list)
        and len(missing) <= MISSING_LINES
        and all(map(_is_count, missing))
        and len(missing) <= event["missed"] <= event["statements"]
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def is_text(value: object, characters: int) -> bool:
    """Whether it is text that can be written anywhere: no lone surrogates."""
    if not isinstance(value, str) or len(value) > characters:
        return False
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)
