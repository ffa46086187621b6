"""`write`: a whole file."""

from __future__ import annotations

from typing import ClassVar

from lmac.processor.actions import WRITE
from lmac.tools.changing import example_path_refused, written
from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace


class WriteArguments(Arguments):
    """Which file, and all that it shall hold."""

    path: str
    content: str


class WriteFile(Tool[WriteArguments]):
    """Replaces one file whole, or makes it."""

    name: ClassVar[str] = WRITE
    description: ClassVar[str] = "write a file: its whole content"
    positional: ClassVar[tuple[str, ...]] = ("path", "content")
    arguments = WriteArguments

    def carry_out(self, arguments: WriteArguments, workspace: Workspace) -> ToolResult:
        if refusal := example_path_refused(arguments.path):
            return refusal
        # A lone surrogate, which JSON can carry, is no UTF-8.
        content = arguments.content.encode("utf-8", "replace")
        line_count = len(arguments.content.splitlines())
        return written(arguments.path, content, workspace, f"Wrote {arguments.path} ({line_count} lines).")
