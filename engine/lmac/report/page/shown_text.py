"""Text of others as a page may show it: nothing in it turns, hides or moves what is read."""

from __future__ import annotations

from lmac.printable import printable

MOST_CHARACTERS = 120_000
"""Of one text on a page; the whole of it stands in the run's folder."""
MOST_LINES = 6_000
MOST_LINE_CHARACTERS = 4_000


def visible(text: str) -> str:
    """The text with controls, bidirectional marks and whatever else shows nothing as escapes."""
    text = text.replace("\r\n", "\n")
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "\t".join(printable(part, keep_newlines=True) for part in text.split("\t"))


def bounded(text: str) -> str:
    """Head and tail of a text that is too long for a page, and of each such line."""
    if len(text) > MOST_CHARACTERS:
        head = MOST_CHARACTERS * 2 // 3
        tail = MOST_CHARACTERS - head
        left_out = len(text) - MOST_CHARACTERS
        text = f"{text[:head]}\n[... {left_out} characters are left out here ...]\n{text[-tail:]}"
    if text.count("\n") > MOST_LINES:
        lines = text.split("\n")
        half = MOST_LINES // 2
        text = "\n".join([*lines[:half], f"[... {len(lines) - 2 * half} lines left out ...]", *lines[-half:]])
    return "\n".join(map(_cut_line, text.split("\n")))


def brief(text: str, most: int) -> str:
    """In one line."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _cut_line(line: str) -> str:
    more = len(line) - MOST_LINE_CHARACTERS
    return line if more <= 0 else f"{line[:MOST_LINE_CHARACTERS]} [... {more} characters more]"
