"""`write`: a whole file."""

from __future__ import annotations

from typing import ClassVar

from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace
from lmac_sandbox import PathRejected, StoreFull


class WriteArguments(Arguments):
    """Which file, and all that it shall hold."""

    path: str
    content: str


class WriteFile(Tool[WriteArguments]):
    """Replaces one file whole, or makes it."""

    name: ClassVar[str] = "write"
    description: ClassVar[str] = "write a file: its whole content"
    positional: ClassVar[tuple[str, ...]] = ("path", "content")
    arguments = WriteArguments

    def carry_out(self, arguments: WriteArguments, workspace: Workspace) -> ToolResult:
        # A lone surrogate, which JSON can carry, is no UTF-8.
        content = arguments.content.encode("utf-8", "replace")
        before = workspace.store.digest()
        try:
            after = workspace.store.write(arguments.path, content)
        except (PathRejected, StoreFull) as error:
            return ToolResult(f"{arguments.path} was not written: {error}", ok=False)
        if after == before:
            return ToolResult(f"{arguments.path} already held exactly this: nothing changed.")
        line_count = len(arguments.content.splitlines())
        return ToolResult(f"Wrote {arguments.path} ({line_count} lines).")
