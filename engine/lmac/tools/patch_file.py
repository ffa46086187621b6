"""`patch`: a unified diff of one file."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lmac.processor.actions import PATCH
from lmac.tools.changing import edited
from lmac.tools.patching import patched
from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace


class PatchArguments(Arguments):
    """Which file, and the diff."""

    path: str
    diff: str = Field(description="hunks of a unified diff; their line numbers need not be right")


class PatchFile(Tool[PatchArguments]):
    """Applies all hunks of a diff, or none."""

    name: ClassVar[str] = PATCH
    description: ClassVar[str] = "apply a unified diff to a file"
    arguments = PatchArguments

    def carry_out(self, arguments: PatchArguments, workspace: Workspace) -> ToolResult:
        return edited(arguments.path, lambda text: patched(text, arguments.diff), workspace, "the diff")
