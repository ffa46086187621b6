"""A reply taken apart into lines and fenced blocks, and the path that belongs to a block.

A reply may be a flood of stars or spaces: patterns are linear, or run over one bounded line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmac.processor.edit_blocks import closes_edit, opens_edit

CALL, CALL_END = "<tool_call>", "</tool_call>"
"""Around a call in the text of models whose server does not read them."""

LABEL_CHARACTERS = 300
"""A longer line names no path."""

FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^`]*)$")
_PATH = re.compile(r"[\w.@+-]+(?:/[\w.@+-]+)*")
_EXTENSION = re.compile(r"[^./]\.\w+$|^\.\w+$")
_BARE_NAMES = frozenset({"Makefile", "Dockerfile", "LICENSE", "README", "CHANGELOG"})
_NO_FILES = frozenset({"e.g", "i.e"})
_KEYWORD = re.compile(r"^(?:file|path|filename|title)\s{0,3}[:=]\s{0,3}", re.IGNORECASE)
_ITEM = re.compile(r"^\d{1,3}[.)]\s")
_REMARK = re.compile(r"\s\([^()]*\)$")
_QUOTED_AT_END = re.compile(r"`([^`\s]+)`\**\s{0,3}:?\**$")
_INTRODUCTIONS = frozenset({"", "content", "contents", "code", "file content", "full content", "source"})
_DECORATION = " \t#>*`:\"'"
_FEWEST_PARTS = 2
"""A single label in a fence is its first comment."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block with the last line before it that may name its path."""

    before: str
    info: str
    content: str
    """With one line feed after each line."""
    closed: bool
    call: bool = False
    """It stands between marks of a tool call instead of fences."""

    @property
    def language(self) -> str:
        """The first word of the info string, in lower case."""
        return self.info.split(" ")[0].lower()


def pieces(text: str) -> list[str | Block]:
    """The reply as lines and blocks, in order."""
    found: list[str | Block] = []
    before = ""
    # Not splitlines(): form feeds and Unicode's separators belong to the content.
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        opening = FENCE.match(line)
        if opening is None and line.strip().startswith(CALL):
            found.append(_call(line, lines))
        elif opening is None and opens_edit(line):
            found.append(_bare_edit(before, line, lines))
        elif opening is None:
            found.append(line)
            before = before if _says_nothing(line) else line
        else:
            found.append(_block(before, opening, lines))
            before = ""
    return found


def path_of(block: Block) -> str | None:
    """The path under which a block stands; None when nothing names one plainly."""
    info = block.info.split(maxsplit=1)
    first = block.content.split("\n", 1)[0]
    candidates = (
        _explicit(block.before),
        _named(info[-1]) if info else None,
        _named(block.info.partition(":")[2]),
        _named(block.before),
        _quoted(block.before),
        _named(_commented(first)),
    )
    return next((path for path in candidates if path is not None), None)


def parted(piece: str | Block) -> Sequence[str | Block]:
    """One block a file, where lines such as "# FILE: a.py" divide a fence; any other piece as it is."""
    if isinstance(piece, str) or piece.call:
        return [piece]
    lines = piece.content.removesuffix("\n").split("\n")
    labels = [_commented(line) for line in lines]
    starts = [number for number, label in enumerate(labels) if _explicit(label)]
    if len(starts) < _FEWEST_PARTS or any(line.strip() for line in lines[: starts[0]]):
        return [piece]
    return [
        Block(
            labels[start],
            piece.info,
            "\n".join(lines[start + 1 : end]).rstrip("\n") + "\n",
            closed=piece.closed or end < len(lines),
        )
        for start, end in zip(starts, (*starts[1:], len(lines)), strict=True)
    ]


def _call(line: str, lines: Iterator[str]) -> Block:
    """Read on to the mark that ends a call."""
    content: list[str] = []
    rest: str | None = line.strip().removeprefix(CALL)
    while rest is not None:
        said, end, _ = rest.partition(CALL_END)
        content.append(f"{said}\n")
        if end:
            return Block("", "", "".join(content), closed=True, call=True)
        rest = next(lines, None)
    return Block("", "", "".join(content), closed=False, call=True)


def _bare_edit(before: str, line: str, lines: Iterator[str]) -> Block:
    """Read a SEARCH/REPLACE block that stands in no fence."""
    content = [line]
    for line in lines:
        content.append(line)
        if closes_edit(line):
            return Block(before, "", _joined(content, 0), closed=True)
    return Block(before, "", _joined(content, 0), closed=False)


def _block(before: str, opening: re.Match[str], lines: Iterator[str]) -> Block:
    """Read on to the fence that closes this block; one within Markdown opens a block of its own."""
    info, indent = opening["info"].strip(), len(opening["indent"])
    markdown = info.lower().startswith(("markdown", "md")) or ".md" in before
    content: list[str] = []
    depth = 0
    for line in lines:
        match = FENCE.match(line)
        if match and match["fence"].startswith(opening["fence"]):
            if markdown and match["info"].strip():
                depth += 1
            elif depth:
                depth -= 1
            elif not match["info"].strip():
                return Block(before, info, _joined(content, indent), closed=True)
        content.append(line)
    # What ends without a fence ends with the reply's own last line feed, if it has one.
    if content and not content[-1]:
        content.pop()
    return Block(before, info, _joined(content, indent), closed=False)


def _joined(lines: list[str], indent: int) -> str:
    """The content without the indent of its fence."""
    return "".join(f"{line[min(indent, len(line) - len(line.lstrip(' '))) :]}\n" for line in lines)


def _says_nothing(line: str) -> bool:
    """Whether a line only introduces a block whose path stands above, such as "#### Content:"."""
    return len(line) <= LABEL_CHARACTERS and line.strip(_DECORATION).lower() in _INTRODUCTIONS


def _explicit(line: str) -> str | None:
    """The path after FILE:, whatever it looks like."""
    if len(line) > LABEL_CHARACTERS:
        return None
    bare = line.strip(_DECORATION + "-")
    match = _KEYWORD.match(bare)
    if match is None or not bare.lower().startswith("file"):
        return None
    path = _REMARK.sub("", bare[match.end() :]).strip(_DECORATION)
    return path if _PATH.fullmatch(path) else None


def _named(line: str) -> str | None:
    """The path that is all a line holds, with decoration, a number or a remark around it."""
    if len(line) > LABEL_CHARACTERS:
        return None
    bare = _ITEM.sub("", line.strip().lstrip("-")).strip(_DECORATION)
    bare = _REMARK.sub("", _KEYWORD.sub("", bare)).strip(_DECORATION)
    return bare if _PATH.fullmatch(bare) and _is_file(bare) else None


def _quoted(line: str) -> str | None:
    """The path in backticks with which a line ends, such as "Here is `a.py`:"."""
    if len(line) > LABEL_CHARACTERS:
        return None
    match = _QUOTED_AT_END.search(line.rstrip())
    return _named(match[1]) if match else None


def _commented(line: str) -> str:
    """What a comment says; "" when the line is none."""
    bare = line.strip()
    for opening, closing in (("#", ""), ("//", ""), ("--", ""), ("<!--", "-->"), ("/*", "*/")):
        if bare.startswith(opening):
            return bare.removeprefix(opening).removesuffix(closing)
    return ""


def _is_file(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return (bool(_EXTENSION.search(name)) or name in _BARE_NAMES) and name not in _NO_FILES
