"""A failure's text cut for a reader with a small window: the assertion, and the nearest lines of source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

LINE_CHARACTERS = 300
"""Of one line; a longer one is cut in its middle."""
NEAR_LINES = 6
"""Lines of source that are kept before the one that failed."""
ERROR_LINES = 20
LEFT_OUT = "[...]"
_RULE = re.compile(r"_( _){5,}+ *")
_PLACE = re.compile(r"(?P<path>[^\s:]{1,300}):(?P<line>\d{1,9}): ?(?P<error>.*)")
_PROGRESS = re.compile(r"[^|\[%]{0,60}\d{1,3}%[ ]?[|\[]")
_FOREIGN = ("/", "../", "<")
"""Paths of the store are relative; pytest's own and the library's are not, or climb out of it."""


def excerpt(text: str, most_characters: int) -> str:
    """The text without floods, without frames of other people's code, and at most that long."""
    lines = list(_without_floods(text.split("\n")))
    sections = list(_sections(lines))
    if len(sections) > 1 or any(line.startswith("E  ") for line in lines):
        lines = [line for section in _own(sections) for line in _nearest(section)]
    return cut_middle("\n".join(lines).strip("\n"), most_characters)


def cause(text: str) -> str:
    """What two failures share that have the same cause: error and message, or the last line."""
    lines = text.rstrip().split("\n")
    errors = [line[1:].strip() for line in lines if line.startswith("E  ")]
    # A plain assertion says little of its cause: its place tells it from another one.
    if errors and not errors[0].startswith(("assert", "AssertionError")):
        return errors[0]
    return lines[-1]


def cut_middle(text: str, most_characters: int, mark: str = f"\n{LEFT_OUT}\n") -> str:
    """Head and more of the tail: there stands the assertion."""
    if len(text) <= most_characters:
        return text
    room = most_characters - len(mark)
    if room < 2:
        return text[: max(most_characters, 0)]
    head = room // 3
    return f"{text[:head]}{mark}{text[len(text) - (room - head) :]}"


def _without_floods(lines: Sequence[str]) -> Iterator[str]:
    """Repeated lines once with their count, long ones cut, progress bars left out."""
    for line, same in groupby(lines):
        count = sum(1 for _ in same)
        if _PROGRESS.match(line[:LINE_CHARACTERS]):
            continue
        short = cut_middle(line.rstrip(), LINE_CHARACTERS, f" {LEFT_OUT} ")
        yield short
        if count > 1 and short:
            yield f"[the same line {count - 1} more times]"


def _sections(lines: Sequence[str]) -> Iterator[list[str]]:
    """One frame of a traceback each."""
    section: list[str] = []
    for line in lines:
        if _RULE.fullmatch(line):
            yield section
            section = []
        else:
            section.append(line)
    yield section


def _own(sections: Sequence[list[str]]) -> Sequence[list[str]]:
    """The first and the last frame in files of the store, and the error lines of the last frame of all."""
    own = [section for section in sections if not _is_foreign(section)]
    if not own:
        return sections[-1:]
    kept = [own[0]] if own[0] is own[-1] else [own[0], own[-1]]
    if own[-1] is not sections[-1]:
        kept.append([line for line in sections[-1] if line.startswith("E  ")])
    return kept


def _is_foreign(section: Sequence[str]) -> bool:
    place = _place(section)
    return place is not None and (place["path"].startswith(_FOREIGN) or "-packages/" in place["path"])


def _place(section: Sequence[str]) -> re.Match[str] | None:
    """Where the frame stands, in its last line that says so."""
    for line in reversed(section):
        if line and not line.startswith((" ", "E ", ">")) and (match := _PLACE.fullmatch(line)):
            return match
    return None


def _nearest(section: Sequence[str]) -> Iterator[str]:
    """The lines before the one that failed, that line, and what the error says."""
    at = next((number for number, line in enumerate(section) if line.startswith(">")), None)
    errors = 0
    for number, line in enumerate(section):
        if line.startswith("E  "):
            errors += 1
            if errors > ERROR_LINES:
                continue
        elif (at is not None and number < at - NEAR_LINES and number > 0) or not line.strip():
            continue
        yield line
