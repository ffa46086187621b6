"""The requirements that a task lists itself, taken from it by code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from lmac.program import MOST_REQUIREMENTS, Requirement, RequirementSource, Task

_NUMBERED = re.compile(r"(\d{1,3})[.)][ \t]+(\S.*)")
_BULLET = re.compile(r"[-*+][ \t]+(\S.*)")
_HEADING = re.compile(r"#{1,6}[ \t]+(\S.*)")
_FENCES = ("```", "~~~")
_MARGIN = 3
"""Spaces before a mark; two more than the item above make it a part of that, as in Markdown."""
_TELLING = re.compile(r"requirement|feature|specification", re.IGNORECASE)
FEWEST = 2
"""A list of one item is no list."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a task requires, and who says so."""

    items: tuple[Requirement, ...] = ()
    source: RequirementSource = RequirementSource.NONE
    left_out: int = 0
    """Items beyond `MOST_REQUIREMENTS`."""


def numbered_requirements(task: Task) -> Requirements:
    """The list that the task numbers itself, with its numbers; none when there is no one such list.

    Where numbers begin anew, the list under a heading such as "Requirements" is the one that counts.
    """
    items = [item for item in _items(task.text) if item.number]
    for found in (items, [item for item in items if _TELLING.search(item.section)]):
        if len(found) >= FEWEST and _rises(found):
            return _capped(found, RequirementSource.TASK_NUMBERS)
    return Requirements()


def listed_requirements(task: Task) -> Requirements:
    """As `numbered_requirements`; or else every item of the task's lists, numbered in order."""
    numbered = numbered_requirements(task)
    items = list(_items(task.text))
    if numbered.items or len(items) < FEWEST:
        return numbered
    counted = [replace(item, number=number) for number, item in enumerate(items, start=1)]
    return _capped(counted, RequirementSource.TASK_ITEMS)


def _capped(items: list[Requirement], source: RequirementSource) -> Requirements:
    return Requirements(
        tuple(items[:MOST_REQUIREMENTS]), source, left_out=max(len(items) - MOST_REQUIREMENTS, 0)
    )


def _rises(items: list[Requirement]) -> bool:
    numbers = [item.number for item in items]
    return numbers[0] == 1 and all(first < second for first, second in pairwise(numbers))


def _items(text: str) -> Iterator[Requirement]:
    """Items of numbered lists, and of others with number 0, with the lines that belong to them."""
    section = fence = ""
    item: Requirement | None = None
    lines: list[str] = []
    ended, margin = False, _MARGIN
    for line in text.splitlines():
        words = line.strip()
        indent = len(line) - len(line.lstrip())
        if fence or words.startswith(_FENCES):
            fence = _fence_after(words, fence)
            continue
        found = _opened(words, section) if indent <= (margin if item else _MARGIN) else None
        heading = _HEADING.match(words) if indent <= _MARGIN else None
        section = heading[1].strip() if heading else section
        if item is not None and (found or heading or (words and not indent and ended)):
            yield replace(item, text=" ".join(lines))
            item = None
        if found is not None:
            item, lines, ended, margin = found, [found.text], False, min(indent + 1, _MARGIN)
        elif words:
            lines.append(words)
        else:
            # What follows an empty line belongs to the item only if it is indented.
            ended = True
    if item is not None:
        yield replace(item, text=" ".join(lines))


def _opened(words: str, section: str) -> Requirement | None:
    if match := _NUMBERED.match(words):
        return Requirement(int(match[1]), match[2].strip(), section)
    if match := _BULLET.match(words):
        return Requirement(0, match[1].strip(), section)
    return None


def _fence_after(words: str, fence: str) -> str:
    """The fence that is open after a line; "" for none."""
    if not fence:
        return words[:3]
    return "" if words.startswith(fence) else fence
