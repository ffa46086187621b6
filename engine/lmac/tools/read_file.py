"""`read`: a file, whole or by lines."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace, listed
from lmac_sandbox import FileMissing, PathRejected

_LINES = re.compile(r"^(\d{1,9})(?:\s*-\s*(\d{1,9}))?$")


class ReadArguments(Arguments):
    """Which file, and which of its lines."""

    path: str
    lines: str | None = Field(
        default=None, description="first-last, such as 10-40; the whole file without it"
    )


class ReadFile(Tool[ReadArguments]):
    """Shows a file; a long one in pages."""

    name: ClassVar[str] = "read"
    description: ClassVar[str] = "show a file, or some of its lines"
    positional: ClassVar[tuple[str, ...]] = ("path", "lines")
    fenced_words: ClassVar[str] = "<path> [<first>-<last>]"
    arguments = ReadArguments

    def carry_out(self, arguments: ReadArguments, workspace: Workspace) -> ToolResult:
        try:
            content = workspace.store.read(arguments.path)
        except (FileMissing, PathRejected) as error:
            known = listed(entry.path for entry in workspace.store.entries())
            return ToolResult(f"{error}. Files in the store: {known}", ok=False)
        lines = content.decode("utf-8", "replace").splitlines()
        span = _span(arguments.lines, len(lines))
        if span is None:
            return ToolResult(f"lines {arguments.lines!r}: the form is first-last, such as 10-40", ok=False)
        return ToolResult(_page(arguments.path, lines, span, workspace.observation_characters))


def _span(asked: str | None, line_count: int) -> tuple[int, int] | None:
    """First and last line, counted from 1 and kept within the file; None when the form is wrong."""
    if asked is None:
        return 1, line_count
    match = _LINES.match(asked.strip())
    if match is None:
        return None
    first = max(int(match[1]), 1)
    last = min(int(match[2] or match[1]), line_count)
    return first, last


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
