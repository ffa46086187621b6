"""`write`: a whole file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from lmac.processor.actions import WRITE
from lmac.tools.changing import example_path_refused, written
from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace


class WriteArguments(Arguments):
    """Which file, and all that it shall hold."""

    path: str
    content: str


class WriteFile(Tool[WriteArguments]):
    """Replaces one file whole, or makes it.

    Args:
        later: Files that only a later step writes, with its number.
    """

    name: ClassVar[str] = WRITE
    description: ClassVar[str] = "write a file: its whole content"
    positional: ClassVar[tuple[str, ...]] = ("path", "content")
    arguments = WriteArguments

    def __init__(self, later: Mapping[str, int] = MappingProxyType({})) -> None:
        self._later = later

    def carry_out(self, arguments: WriteArguments, workspace: Workspace) -> ToolResult:
        if refusal := example_path_refused(arguments.path):
            return refusal
        if (number := self._later.get(arguments.path)) and workspace.store.missing((arguments.path,)):
            # A weak model that writes all at once would be held to the findings of all of it.
            text = f"{arguments.path} was not written: it belongs to step {number}, which comes later."
            return ToolResult(text, ok=False, stops=False)
        # A lone surrogate, which JSON can carry, is no UTF-8.
        content = arguments.content.encode("utf-8", "replace")
        line_count = len(arguments.content.splitlines())
        return written(arguments.path, content, workspace, f"Wrote {arguments.path} ({line_count} lines).")
