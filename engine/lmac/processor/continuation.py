"""A reply that was cut within a fenced file, and the rest that came with another one, joined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lmac.processor.fenced_blocks import FENCE, Block, path_of, pieces

REPEATED_LINES = 60
"""So many of the last lines may come again."""
CHATTER_LINES = 3
"""Before a fence that is opened anew."""
QUOTED_CHARACTERS = 200
"""A longer last line is not asked for again."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A text that ends within a fenced block."""

    head: str
    """Up to the line of the opening fence, that included."""
    fence: str
    block: Block
    content: str
    """As far as it came; its last line may be a part of one."""


def unfinished(said: str) -> Unfinished | None:
    """The block within which a text ends; None when it ends outside of fences."""
    text = said.replace("\r\n", "\n")
    block = pieces(text)[-1]
    if not isinstance(block, Block) or block.closed or block.call:
        return None
    lines = text.split("\n")
    opened_at = len(lines) - block.content.count("\n") - 1 - text.endswith("\n")
    opening = FENCE.match(lines[opened_at])
    if opening is None:
        return None
    head = "\n".join(lines[: opened_at + 1]) + "\n"
    return Unfinished(head, opening["fence"], block, "\n".join(lines[opened_at + 1 :]))


def how_to_go_on(said: str) -> str | None:
    """What to ask for the rest of a text that ends within a fenced block; None when it does not."""
    cut = unfinished(said)
    if cut is None:
        return None
    line = cut.content.rstrip().rpartition("\n")[2]
    if not line or len(line) > QUOTED_CHARACTERS:
        return f"{_GO_ON}. {_THEN}"
    return f"{_GO_ON}: first its last line once more, from its beginning. {_THEN} That line begins:\n{line}"


_GO_ON = (
    "Your reply was cut at its length limit. Go on exactly where it stopped, without any other words and "
    "without beginning the file anew"
)
_THEN = "Then all that follows, and the closing fence."


def joined(said: str, more: str) -> str | None:
    """The whole reply; None when nobody can say how the second text goes on from the first.

    The second one may go on in the midst of the line, repeat the last lines, open a fence of its own, or
    begin the file from its top.
    """
    cut = unfinished(said)
    if cut is None or not more.strip():
        return None
    lines = more.replace("\r\n", "\n").split("\n")
    reopened_at = None if _overlap(cut.content, "\n".join(lines)) else _reopening(cut, lines)
    if reopened_at is not None:
        is_longer = lines[reopened_at - 1].lstrip().startswith(cut.fence + cut.fence[0])
        if is_longer or _named_path(lines, reopened_at) not in (None, path_of(cut.block)):
            return None
        lines = _with_fence(lines[reopened_at:], cut.fence)
    rest = "\n".join(lines)
    closes = any(_closes(line, cut.fence) for line in lines)
    place = _overlap(cut.content, rest)
    if place is not None:
        adds = len(rest.strip()) > len(cut.content[place.start :].strip())
        return cut.head + place.joined(cut.content, rest) if closes or adds else None
    if _begins_anew(cut.content, rest):
        return cut.head + rest.lstrip("\n")
    if not closes or (reopened_at is not None and not cut.content.endswith("\n") and cut.content):
        # Words about the file, or a line of which nobody knows whether it is a new one.
        return None
    return cut.head + cut.content + rest


@dataclass(frozen=True, slots=True)
class _Overlap:
    """Where in the first content the second one begins."""

    start: int
    indent: str
    """That the second one left out."""
    skipped: int
    """Line feeds before it."""

    def joined(self, content: str, rest: str) -> str:
        return content[: self.start] + self.indent + rest[self.skipped :]


def _overlap(content: str, rest: str) -> _Overlap | None:
    """The longest run of whole lines at the end of the first that the second begins with, the last one as
    far as it came."""
    bare = rest.lstrip("\n")
    skipped = len(rest) - len(bare)
    for start in _line_starts(content):
        said = content[start:]
        indent = said[: len(said) - len(said.lstrip(" \t"))]
        if not said.strip():
            # Blanks say nothing about the place.
            continue
        if rest.startswith(said):
            return _Overlap(start, "", 0)
        if bare.startswith(said):
            return _Overlap(start, "", skipped)
        if indent and bare.startswith(said[len(indent) :]):
            return _Overlap(start, indent, skipped)
    return None


def _line_starts(content: str) -> list[int]:
    """Of the last lines, and of the first one; the earliest is the first."""
    starts: list[int] = []
    end = len(content)
    while len(starts) < REPEATED_LINES and (end := content.rfind("\n", 0, end)) >= 0:
        starts.append(end + 1)
    return [0, *reversed(starts)]


def _begins_anew(content: str, rest: str) -> bool:
    """Whether the second begins with the same whole lines as the first."""
    whole, _, _ = content.rpartition("\n")
    first = _first_lines(whole)
    return bool(first) and _first_lines(rest)[: len(first)] == first


def _first_lines(text: str) -> list[str]:
    found: list[str] = []
    for line in _lines(text):
        if line.strip():
            found.append(line.rstrip())
        if len(found) == 2:
            break
    return found


def _lines(text: str) -> Iterator[str]:
    place = 0
    while place <= len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        yield text[place:end]
        place = end + 1


def _reopening(cut: Unfinished, lines: list[str]) -> int | None:
    """The line after the fence with which the second text opens the file once more; None when it does not."""
    fences = [index for index, line in enumerate(lines) if FENCE.match(line)]
    if not fences:
        return None
    first = fences[0]
    opening = FENCE.match(lines[first])
    before = [line for line in lines[:first] if line.strip()]
    if len(before) > CHATTER_LINES or opening is None:
        return None
    info, is_labelled = opening["info"].strip(), bool(before) and _is_label(before[-1])
    if info:
        is_nested = _is_markdown(cut) and not info.lower().startswith(("markdown", "md"))
        return None if is_nested and not is_labelled else first + 1
    if before:
        # A single fence closes, even below a line that could name a file.
        return first + 1 if is_labelled and len(fences) % 2 == 0 else None
    after = next((line for line in lines[first + 1 :] if line.strip()), None)
    closes = after is None or _is_label(after) or len(fences) % 2 == 1
    return None if closes else first + 1


def _is_markdown(cut: Unfinished) -> bool:
    return (path_of(cut.block) or "").endswith(".md") or cut.block.language in ("markdown", "md")


def _is_label(line: str) -> bool:
    return path_of(Block(line, "", "", closed=False)) is not None


def _named_path(lines: list[str], after_fence: int) -> str | None:
    """The path under which the second text opens its fence."""
    opening = FENCE.match(lines[after_fence - 1])
    before = next((line for line in reversed(lines[: after_fence - 1]) if line.strip()), "")
    first = "".join(lines[after_fence : after_fence + 1])
    return path_of(Block(before, opening["info"].strip() if opening else "", first, closed=False))


def _with_fence(lines: list[str], fence: str) -> list[str]:
    """The lines after a fence that was opened anew, closed by the fence that was opened first."""
    for index, line in enumerate(lines):
        match = FENCE.match(line)
        if match and not match["info"].strip():
            return lines if _closes(line, fence) else [*lines[:index], fence, *lines[index + 1 :]]
    return lines


def _closes(line: str, fence: str) -> bool:
    match = FENCE.match(line)
    return match is not None and match["fence"].startswith(fence) and not match["info"].strip()
