"""A Markdown file, parsed: headings, links and tables with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

_HTML_ANCHOR = re.compile(r"""<[a-zA-Z][^<>]*\s(?:id|name)\s*=\s*["']?([^"'\s>]+)""")
_FENCE_LINE = re.compile(r"[\s>]*(`{3,}|~{3,})\s*")
_DELIMITER_ROW = re.compile(r"\|?(?:\s*:?-{3,}:?\s*\|)+(?:\s*:?-{3,}:?)?")
"""Without the blanks around it."""
_CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Heading:
    """One heading outside lists and quotes."""

    level: int
    text: str
    line: int
    empty: bool
    """Whether nothing stands between it and the next one of its level or above."""


@dataclass(slots=True)
class Document:
    """What the checks need to know of one file; lines count from 1."""

    headings: list[Heading] = field(default_factory=list)
    links: list[tuple[int, str]] = field(default_factory=list)
    """Line and target of links and images."""
    anchors: set[str] = field(default_factory=set)
    open_fences: list[int] = field(default_factory=list)
    broken_tables: list[tuple[int, str]] = field(default_factory=list)
    words: int = 0
    paragraphs: list[tuple[int, str]] = field(default_factory=list)
    """First line and text of each, those of list items and quotes too."""
    lines: list[str] = field(default_factory=list)

    def lines_below(self, heading: str) -> list[str]:
        """The lines of a section, up to the next heading of its level or above; all of a file without it."""
        for number, one in enumerate(self.headings):
            if one.text.casefold() == heading.casefold():
                after = (other.line for other in self.headings[number + 1 :] if other.level <= one.level)
                return self.lines[one.line : next(after, len(self.lines) + 1) - 1]
        return self.lines


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")


def parse(text: str) -> Document:
    """Read one file. What a parser makes of broken Markdown is never an error, so that is looked for too."""
    lines = _without_front_matter(text.splitlines())
    tokens = _parser().parse("\n".join(lines))
    document = Document(lines=lines)
    opened: list[tuple[int, str, int, int]] = []
    for index, token in enumerate(tokens):
        line = token.map[0] + 1 if token.map else 0
        match token.type:
            case "heading_open" if token.level == 0:
                opened.append((int(token.tag[1]), _plain(tokens[index + 1]), line, index))
            case "fence":
                _look_at_fence(document, token, lines)
            case "table_open":
                _look_at_table(document, token, lines)
            case "inline":
                _look_at_inline(document, token, line)
                if tokens[index - 1].type == "paragraph_open":
                    document.paragraphs.append((line, _prose(token)))
                    _look_for_table(document, token, line)
            case "html_block":
                document.anchors.update(_HTML_ANCHOR.findall(token.content))
    document.headings = list(_headings(opened, len(tokens)))
    document.anchors.update(_slugs(document.headings))
    return document


def _without_front_matter(lines: list[str]) -> list[str]:
    """YAML between two lines of `---` at the top is no Markdown; its lines are blanked."""
    if lines and lines[0].rstrip() == "---":
        for index, line in enumerate(lines[1:], 1):
            if line.rstrip() in ("---", "..."):
                return [""] * (index + 1) + lines[index + 1 :]
    return lines


def _plain(inline: Any) -> str:
    children = inline.children or ()
    parts = (child.content for child in children if child.type in ("text", "code_inline", "image"))
    return "".join(parts).strip()


def _prose(inline: Any) -> str:
    """As `_plain`, with a blank where a line ends."""
    breaks = ("softbreak", "hardbreak")
    parts = (" " if child.type in breaks else child.content for child in inline.children or ())
    return "".join(parts).strip()


def _headings(opened: list[tuple[int, str, int, int]], end: int) -> Iterator[Heading]:
    """A heading takes three tokens; what comes after them, up to the next one, is its own text."""
    for number, (level, text, line, index) in enumerate(opened):
        following = opened[number + 1] if number + 1 < len(opened) else None
        nothing = (following[3] if following else end) == index + 3
        deeper = following is not None and following[0] > level
        yield Heading(level, text, line, nothing and not deeper)


def _look_at_fence(document: Document, token: Any, lines: list[str]) -> None:
    start, end = token.map
    last = _FENCE_LINE.fullmatch(lines[end - 1]) if end - 1 > start else None
    if last is None or not last[1].startswith(token.markup):
        document.open_fences.append(start + 1)


def _look_at_table(document: Document, token: Any, lines: list[str]) -> None:
    start, end = token.map
    wanted = _cells(lines[start])
    for number in range(start + 2, end):
        if (found := _cells(lines[number])) != wanted:
            document.broken_tables.append((number + 1, f"{found} cells in a table of {wanted} columns"))


def _look_for_table(document: Document, token: Any, line: int) -> None:
    """A table whose head and delimiter differ in columns is a paragraph for every reader of Markdown."""
    rows = token.content.split("\n")
    for number, row in enumerate(rows[1:], 1):
        if "|" in rows[number - 1] and _DELIMITER_ROW.fullmatch(row.strip()):
            text = f"{_cells(rows[number - 1])} cells in the head of a table, {_cells(row)} below it"
            document.broken_tables.append((line + number - 1, text))


def _cells(row: str) -> int:
    row = row.lstrip(" >\t").rstrip()
    row = row.removeprefix("|")
    if row.endswith("|") and not row.endswith("\\|"):
        row = row[:-1]
    return len(_CELL_END.split(row))


def _look_at_inline(document: Document, token: Any, line: int) -> None:
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            line += 1
        elif child.type in ("link_open", "image"):
            target = child.attrGet("href" if child.type == "link_open" else "src")
            document.links.append((line, str(target)))
        elif child.type == "html_inline":
            document.anchors.update(_HTML_ANCHOR.findall(child.content))
        elif child.type in ("text", "code_inline"):
            document.words += len(child.content.split())


def _slugs(headings: list[Heading]) -> Iterator[str]:
    """Names of headings as common renderers give them: the second of a name gets -1, the third -2."""
    seen: dict[str, int] = {}
    for heading in headings:
        slug = re.sub(r"[^\w\- ]", "", heading.text.lower()).replace(" ", "-")
        number = seen.get(slug, 0)
        seen[slug] = number + 1
        yield f"{slug}-{number}" if number else slug
