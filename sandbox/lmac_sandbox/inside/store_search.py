"""Searches the store for a text or a pattern; answers in JSON. An endless pattern meets the job's time limit.

The order is the first argument, as JSON: `text`, `is_pattern`, `files` (shell patterns).
The answer: {"hits": [[path, line, text], ...], "more_hits", "more_files", "not_text", "any_case", "fault"}.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from .outlines import one_line
from .patterns import matching_files
from .tree import Tree

MOST_HITS = 50
HITS_OF_A_FILE = 15
LINE_CHARACTERS = 200
SEARCHED_BYTES = 4 * 2**20
"""Of one file."""


def main() -> None:
    """Print the answer."""
    order = json.loads(sys.argv[1])
    text = str(order["text"])
    files = matching_files(order["files"] or ["*"])
    try:
        plain = not order["is_pattern"]
        answer = _search(re.compile(re.escape(text) if plain else text), files, plain)
        if not answer["hits"] and plain:
            answer = _search(re.compile(re.escape(text), re.IGNORECASE), files, plain)
            answer["any_case"] = bool(answer["hits"])
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        answer = _answer() | {"fault": one_line(f"no pattern: {error}")}
    sys.stdout.write(json.dumps(answer))


def _answer() -> dict[str, Any]:
    return {"hits": [], "more_hits": 0, "more_files": 0, "not_text": 0, "any_case": False, "fault": ""}


def _search(pattern: re.Pattern[str], files: Sequence[str], plain: bool) -> dict[str, Any]:
    answer = _answer()
    tree = Tree(".")
    for path in files:
        content = tree.read(path, SEARCHED_BYTES)
        if b"\0" in content[:8192]:
            answer["not_text"] += 1
            continue
        text = content.decode("utf-8", "replace")
        # A pattern may mean something else in a whole text than in its lines; a plain text does not.
        if plain and not pattern.search(text):
            continue
        room = min(MOST_HITS - len(answer["hits"]), HITS_OF_A_FILE)
        count = 0
        for line, match in _hits(pattern, text):
            if count < room:
                answer["hits"].append([path, line, _around(match.string, match.start())])
            count += 1
        answer["more_hits"] += max(count - room, 0)
        answer["more_files"] += bool(count) and not room
    return answer


def _hits(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, re.Match[str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if match := pattern.search(line):
            yield number, match


def _around(line: str, at: int) -> str:
    """The line, or what stands around the hit in a long one."""
    if len(line) <= LINE_CHARACTERS:
        return one_line(line, LINE_CHARACTERS)
    start = max(at - LINE_CHARACTERS // 3, 0)
    return one_line(
        f"{'...' if start else ''}{line[start : start + LINE_CHARACTERS]}...", LINE_CHARACTERS + 6
    )
