"""`read`: a file, whole, by lines or by the name of what it defines."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from lmac.store_map import NotMapped, Span
from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace, known_paths
from lmac_sandbox import FileMissing, PathRejected

_LINES = re.compile(r"^(\d{1,9})(?:\s*-\s*(\d{1,9}))?$")


class ReadArguments(Arguments):
    """Which file, and which part of it."""

    path: str
    lines: str | None = Field(
        default=None,
        description="first-last, such as 10-40, or a name such as Class.method; the whole file without it",
    )


class ReadFile(Tool[ReadArguments]):
    """Shows a file or one definition of it; what is long in pages."""

    name: ClassVar[str] = "read"
    description: ClassVar[str] = "show a file, some of its lines, or one class, function or section"
    positional: ClassVar[tuple[str, ...]] = ("path", "lines")
    fenced_words: ClassVar[str] = "<path> [<first>-<last> | <name>]"
    arguments = ReadArguments

    def carry_out(self, arguments: ReadArguments, workspace: Workspace) -> ToolResult:
        try:
            content = workspace.store.read(arguments.path)
        except (FileMissing, PathRejected) as error:
            known = known_paths(arguments.path, workspace.store.paths())
            return ToolResult(f"{error}. Files in the store: {known}", ok=False)
        lines = content.decode("utf-8", "replace").splitlines()
        span = _span(arguments.lines, len(lines))
        if span is None:
            named = _named(arguments.path, arguments.lines or "", workspace)
            if isinstance(named, ToolResult):
                return named
            # The parser's lines end at line feeds alone.
            lines = content.decode("utf-8", "replace").split("\n")
            span = named.first, min(named.last, len(lines))
        return ToolResult(_page(arguments.path, lines, span, workspace.observation_characters))


def _span(asked: str | None, line_count: int) -> tuple[int, int] | None:
    """First and last line, counted from 1 and kept within the file; None when no lines are asked for."""
    if asked is None:
        return 1, line_count
    match = _LINES.match(asked.strip())
    if match is None:
        return None
    return max(int(match[1]), 1), min(int(match[2] or match[1]), line_count)


def _named(path: str, name: str, workspace: Workspace) -> Span | ToolResult:
    """Where the file defines that name, or what to tell instead."""
    try:
        found: Span | str = workspace.outlines.span(path, name)
    except NotMapped as error:
        found = f"it could not be read by name: {error}"
    if isinstance(found, Span):
        return found
    text = f"{path} has no {name[:100]!r}; {found}. Lines have the form first-last, such as 10-40."
    return ToolResult(text, ok=False)


def _page(path: str, lines: list[str], span: tuple[int, int], most_characters: int) -> str:
    first, last = span
    shown: list[str] = []
    room = most_characters
    for line in lines[first - 1 : last]:
        room -= len(line) + 1
        if room < 0 and shown:
            break
        shown.append(line if len(line) <= most_characters else f"{line[:most_characters]} [line cut]")
    end = first + len(shown) - 1
    head = f"{path}, lines {first}-{end} of {len(lines)}:" if shown else f"{path} has {len(lines)} lines."
    more = f"\n[lines {end + 1}-{last} left out: read them apart]" if end < last and shown else ""
    return f"{head}\n" + "\n".join(shown) + more
