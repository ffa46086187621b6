"""Unified diffs as models write them: their line numbers and counts are guesses, their context is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lmac.tools.edited_text import EditRefused, named_places, nearest_lines, with_kept_line_ends
from lmac.tools.line_search import places

_HUNK = re.compile(r"^@@[^0-9\n]{0,4}(?P<line>\d{1,9})?")
SHOWN_CHARACTERS = 80
MOST_HUNKS = 200
"""Each is looked for in the whole rest of the file."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """What stood there, and what shall stand there."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    line: int | None
    """Of the file, from 1, as the header says; None when it says none."""


def patched(text: str, patch: str) -> str:
    """The text with every hunk applied, in order.

    A hunk goes where its context and removed lines stand, wherever its header puts it; the header decides
    between several such places only when it names one of them.

    Raises:
        EditRefused: no diff, or a hunk that does not fit; nothing was applied.
    """
    hunks = hunks_of(patch.replace("\r\n", "\n"))
    return with_kept_line_ends(text, lambda plain: _applied(plain, hunks))


def hunks_of(patch: str) -> tuple[Hunk, ...]:
    """Read the hunks of a diff of one file.

    Raises:
        EditRefused: none, a line without its sign, or hunks of a second file.
    """
    hunks: list[Hunk] = []
    body: list[str] = []
    line: int | None = None
    inside = False
    lines = patch.split("\n")
    for index, text in enumerate(lines):
        header = _HUNK.match(text)
        if _opens_file(lines, index):
            if inside:
                raise EditRefused("this diff is of several files: give one diff for each")
            continue
        if header is not None:
            if inside:
                hunks.append(_hunk(body, line))
            body, inside = [], True
            line = int(header["line"]) if header["line"] else None
        elif inside:
            body.append(text)
    if inside:
        hunks.append(_hunk(body, line))
    if not hunks:
        raise EditRefused("this holds no hunk: a line of `@@`, then lines that begin with a space, - or +")
    if len(hunks) > MOST_HUNKS:
        raise EditRefused(f"this diff has {len(hunks)} hunks, more than {MOST_HUNKS}: give it in parts")
    return tuple(hunks)


def _opens_file(lines: Sequence[str], index: int) -> bool:
    """Whether the two header lines of a file stand here; a removed line may begin with two dashes as well."""
    following = lines[index + 1] if index + 1 < len(lines) else ""
    before = lines[index - 1] if index else ""
    return (lines[index].startswith("--- ") and following.startswith("+++ ")) or (
        lines[index].startswith("+++ ") and before.startswith("--- ")
    )


def _hunk(body: Sequence[str], line: int | None) -> Hunk:
    lines = list(body)
    while lines and not lines[-1]:
        # The end of the diff, not a blank line of the file: that one has its space.
        lines.pop()
    old: list[str] = []
    new: list[str] = []
    for text in lines:
        sign, rest = text[:1], text[1:]
        match sign:
            case " " | "":
                old.append(rest)
                new.append(rest)
            case "-":
                old.append(rest)
            case "+":
                new.append(rest)
            case "\\":
                continue
            case _:
                raise EditRefused(
                    f"the line {text[:SHOWN_CHARACTERS]!r} of a hunk begins with neither a space, - nor +"
                )
    if old == new:
        raise EditRefused("a hunk changes nothing: it holds no line with - or +")
    return Hunk(tuple(old), tuple(new), line)


def _applied(text: str, hunks: Sequence[Hunk]) -> str:
    lines = text.removesuffix("\n").split("\n") if text else []
    end = "\n" if text.endswith("\n") or not text else ""
    result: list[str] = []
    done = 0
    for number, hunk in enumerate(hunks, 1):
        try:
            place = _place(lines, done, hunk, blank=not text.strip())
        except EditRefused as refusal:
            raise EditRefused(f"hunk {number} of {len(hunks)}: {refusal}") from None
        result += lines[done:place]
        result += hunk.new
        done = place + len(hunk.old)
    result += lines[done:]
    return "\n".join(result) + end if result else ""


def _place(lines: Sequence[str], done: int, hunk: Hunk, blank: bool) -> int:
    if not hunk.old:
        if blank and done == 0:
            return 0
        raise EditRefused("it has no context: give the lines before and after what it adds")
    found = [done + place for place in places(lines[done:], hunk.old)]
    if not found:
        before = " after the hunk before it" if done and places(lines, hunk.old) else ""
        raise EditRefused(
            f"its context and removed lines do not stand in the file{before}. "
            f"{nearest_lines(lines, hunk.old)}".rstrip()
        )
    if len(found) > 1 and hunk.line is not None and hunk.line - 1 in found:
        return hunk.line - 1
    if len(found) > 1:
        raise EditRefused(
            f"its context stands at {len(found)} places (lines {named_places(found)}): give more of it"
        )
    return found[0]
