"""`list`: what the store holds."""

from __future__ import annotations

from typing import ClassVar

from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace, cut


class ListArguments(Arguments):
    """None."""


class ListFiles(Tool[ListArguments]):
    """Names every file with its size."""

    name: ClassVar[str] = "list"
    description: ClassVar[str] = "list all files"
    arguments = ListArguments

    def carry_out(self, arguments: ListArguments, workspace: Workspace) -> ToolResult:
        return ToolResult(cut(workspace.store.listing(), workspace.observation_characters))
