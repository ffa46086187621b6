"""`list`: what the store holds, folder by folder."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lmac.store_map import NotMapped
from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace, cut


class ListArguments(Arguments):
    """Which folder, and which page of it."""

    folder: str = Field(default="", description="the whole store without it")
    page: int = Field(default=1, ge=1, le=10_000)


class ListFiles(Tool[ListArguments]):
    """Names files with their sizes: all of a small folder, one level of a large one."""

    name: ClassVar[str] = "list"
    description: ClassVar[str] = "list files"
    positional: ClassVar[tuple[str, ...]] = ("folder", "page")
    fenced_words: ClassVar[str] = "[<folder>] [<page>]"
    arguments = ListArguments

    def carry_out(self, arguments: ListArguments, workspace: Workspace) -> ToolResult:
        name = arguments.folder.strip("/.")
        try:
            folder = workspace.outlines.folder(name, arguments.page)
        except NotMapped as error:
            return ToolResult(f"The files could not be listed: {error}", ok=False)
        if not folder.files:
            if name:
                return ToolResult(f"There is no folder {name[:200]!r} in the store.", ok=False)
            return ToolResult("The store is empty.")
        text = cut("\n".join(folder.lines), workspace.observation_characters)
        more = f"\n[page {folder.page} of {folder.pages}]" if folder.pages > 1 else ""
        return ToolResult(f"{text}{more}")
