"""`delete`: one file."""

from __future__ import annotations

from typing import ClassVar

from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace
from lmac_sandbox import FileMissing, PathRejected


class DeleteArguments(Arguments):
    """Which file."""

    path: str


class DeleteFile(Tool[DeleteArguments]):
    """Removes one file from the store."""

    name: ClassVar[str] = "delete"
    description: ClassVar[str] = "delete a file"
    positional: ClassVar[tuple[str, ...]] = ("path",)
    fenced_words: ClassVar[str] = "<path>"
    arguments = DeleteArguments

    def carry_out(self, arguments: DeleteArguments, workspace: Workspace) -> ToolResult:
        try:
            workspace.store.delete(arguments.path)
        except (FileMissing, PathRejected) as error:
            return ToolResult(f"{arguments.path} was not deleted: {error}", ok=False)
        return ToolResult(f"Deleted {arguments.path}.")
