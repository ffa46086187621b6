"""Search and replace: exact first, then whatever differs in indent and trailing blanks alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmac.tools.edited_text import PLACES_NAMED, EditRefused, named_places, nearest_lines, with_kept_line_ends
from lmac.tools.line_search import places

MOST_CANDIDATES = 64
"""Places that are looked at: where there are more, the text is ambiguous anyway."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """One text that stands at one place, and what shall stand there."""

    search: str
    """Whole lines when it ends with a line feed."""
    replace: str


def replaced(text: str, replacements: Sequence[Replacement]) -> str:
    """The text with all replacements, each made in what the one before it left.

    Raises:
        EditRefused: one does not stand at exactly one place; none of them counts.
    """
    return with_kept_line_ends(text, lambda plain: _all_replaced(plain, replacements))


def _all_replaced(text: str, replacements: Sequence[Replacement]) -> str:
    for number, replacement in enumerate(replacements, 1):
        search, new = (part.replace("\r\n", "\n") for part in (replacement.search, replacement.replace))
        try:
            text = _one_replaced(text, search, new)
        except EditRefused as refusal:
            which = f"replacement {number} of {len(replacements)}: " if len(replacements) > 1 else ""
            raise EditRefused(f"{which}{refusal}") from None
    return text


def _one_replaced(text: str, search: str, new: str) -> str:
    if not search.strip():
        if text.strip():
            raise EditRefused("the text to search for is empty: give the lines that shall be replaced")
        return new
    found = _whole_lines(text, search) if search.endswith("\n") else _anywhere(text, search)
    if len(found) == 1:
        place = found[0]
        if place + len(search) > len(text):
            # The last line of a file without a last line feed.
            new = new.removesuffix("\n")
        return text[:place] + new + text[place + len(search) :]
    if found:
        lines = [text.count("\n", 0, place) for place in found[:PLACES_NAMED]]
        raise EditRefused(_ambiguous(len(found), lines))
    return _loosely_replaced(text, search, new)


def _whole_lines(text: str, search: str) -> list[int]:
    """Offsets at which these lines stand; one that only ends in the first of them is another line."""
    lines = text.removesuffix("\n").split("\n")
    found = set(places(lines, search.removesuffix("\n").split("\n")))
    offsets, offset = [], 0
    for index, line in enumerate(lines):
        if index in found:
            offsets.append(offset)
        offset += len(line) + 1
    return offsets


def _anywhere(text: str, search: str) -> list[int]:
    """Offsets at which this text stands, overlapping ones too, not all when there are many."""
    found: list[int] = []
    offset = text.find(search)
    while offset >= 0 and len(found) < MOST_CANDIDATES:
        found.append(offset)
        offset = text.find(search, offset + 1)
    return found


def _loosely_replaced(text: str, search: str, new: str) -> str:
    """Replace whole lines that differ from those sought by a common indent and by trailing blanks."""
    ends_open = not text.endswith("\n")
    lines = text.split("\n") if ends_open else text.split("\n")[:-1]
    sought = _without_blank_ends(search.split("\n"))
    candidates = places([line.strip() for line in lines], [line.strip() for line in sought])
    shifts = [
        (place, shift)
        for place in candidates[:MOST_CANDIDATES]
        if (shift := _shift(lines[place : place + len(sought)], sought)) is not None
    ]
    if len(shifts) > 1 or len(candidates) > MOST_CANDIDATES:
        raise EditRefused(_ambiguous(len(candidates), [place for place, _ in shifts]))
    if not shifts:
        nearest = nearest_lines(lines, sought)
        raise EditRefused(f"the text to search for stands nowhere in it. {nearest}".rstrip())
    place, shift = shifts[0]
    written = _without_blank_ends(new.split("\n")) if new.strip() else []
    result = lines[:place] + [shift.applied(line) for line in written] + lines[place + len(sought) :]
    return "\n".join(result) + ("" if ends_open or not result else "\n")


@dataclass(frozen=True, slots=True)
class _Shift:
    """What the model left out in front of every line, or put there too much."""

    add: str = ""
    remove: str = ""

    def applied(self, line: str) -> str:
        """Raises: EditRefused: the line begins left of the others, where nothing can be removed."""
        if not line.strip():
            return line
        if not line.startswith(self.remove):
            raise EditRefused(
                "the new lines are indented less than those to search for: repeat these as they are"
            )
        return self.add + line[len(self.remove) :]


def _shift(lines: Sequence[str], sought: Sequence[str]) -> _Shift | None:
    """The one shift that makes all lines what they are; None when their indents differ otherwise."""
    shift: _Shift | None = None
    for line, said in zip(lines, sought, strict=True):
        if not line.strip():
            continue
        here, there = _indent(line), _indent(said)
        if here.endswith(there):
            own = _Shift(add=here[: len(here) - len(there)])
        elif there.endswith(here):
            own = _Shift(remove=there[: len(there) - len(here)])
        else:
            return None
        if shift is not None and own != shift:
            return None
        shift = own
    return shift


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _without_blank_ends(lines: Sequence[str]) -> list[str]:
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    last = next((index for index in range(len(lines) - 1, -1, -1) if lines[index].strip()), -1)
    return [line.rstrip() if not line.strip() else line for line in lines[first : last + 1]]


def _ambiguous(count: int, lines: Sequence[int]) -> str:
    where = f" (lines {named_places(lines)})" if lines else ""
    return (
        f"the text to search for stands at {count} places{where}: "
        "add lines before or after it, so that only one fits"
    )
