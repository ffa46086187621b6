"""What every edit of a text shares: line ends that stay, a refusal, the lines that come nearest."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Sequence

SHOWN_LINES = 12
"""Of the file, in a refusal."""
SHOWN_CHARACTERS = 160
"""Of each of them."""
COMPARED_CHARACTERS = 800
"""Of each window that is compared word for word: that comparison costs the square."""
COMPARED_WINDOWS = 4
PLACES_NAMED = 6

_WORD = re.compile(r"\w+")


class EditRefused(Exception):
    """The edit does not fit the text, and nothing of it was done; the words are for the model."""


def with_kept_line_ends(text: str, edit: Callable[[str], str]) -> str:
    """Edit a text as if its lines ended in line feeds, and give it back its own ends.

    Only where all lines agree: models see no carriage returns and write none.
    """
    feeds = text.count("\n")
    if not feeds or text.count("\r\n") != feeds:
        return edit(text)
    return edit(text.replace("\r\n", "\n")).replace("\n", "\r\n")


def named_places(places: Sequence[int]) -> str:
    """Line numbers, from 0 here and from 1 for the model."""
    named = ", ".join(str(place + 1) for place in places[:PLACES_NAMED])
    return f"{named} and {len(places) - PLACES_NAMED} more" if len(places) > PLACES_NAMED else named


def nearest_lines(lines: Sequence[str], sought: Sequence[str]) -> str:
    """The part of a text that is most like what was sought, with its line numbers; "" when nothing is.

    Windows are ranked by the words that they share, which is linear; only the best are compared closely.
    """
    words = Counter(word for line in sought for word in set(_WORD.findall(line[:SHOWN_CHARACTERS])))
    size = max(min(len(sought), SHOWN_LINES), 1)
    scores = [sum(word in words for word in set(_WORD.findall(line[:SHOWN_CHARACTERS]))) for line in lines]
    best = _best_windows(scores, size)
    if not best:
        return ""
    wanted = "\n".join(sought)[:COMPARED_CHARACTERS]

    def likeness(start: int) -> float:
        window = "\n".join(lines[start : start + size])[:COMPARED_CHARACTERS]
        return difflib.SequenceMatcher(None, window, wanted, autojunk=False).ratio()

    start = max(best, key=likeness)
    shown = [line[:SHOWN_CHARACTERS] for line in lines[start : start + size]]
    return f"The nearest are lines {start + 1}-{start + len(shown)}:\n" + "\n".join(shown)


def _best_windows(scores: Sequence[int], size: int) -> list[int]:
    """Starts of the windows with the highest sums, few and apart."""
    sums = [sum(scores[:size])]
    for end in range(size, len(scores)):
        sums.append(sums[-1] + scores[end] - scores[end - size])
    starts = [start for start, total in enumerate(sums) if total > 0]
    starts.sort(key=lambda start: -sums[start])
    chosen: list[int] = []
    for start in starts[: COMPARED_WINDOWS * size]:
        if all(abs(start - other) >= max(size // 2, 1) for other in chosen):
            chosen.append(start)
        if len(chosen) == COMPARED_WINDOWS:
            break
    return chosen
