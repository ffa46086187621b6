"""`done`: the model calls the current instruction complete."""

from __future__ import annotations

from typing import ClassVar

from lmac.tools.tool import FINISH, Arguments, FinishRequested, Tool, ToolResult, Workspace


class FinishArguments(Arguments):
    """None."""


class Finish(Tool[FinishArguments]):
    """Asks for completion; the checks decide. Source: L2MAC, Algorithm 1, line 5."""

    name: ClassVar[str] = FINISH
    description: ClassVar[str] = "this instruction is complete"
    arguments = FinishArguments

    def carry_out(self, arguments: FinishArguments, workspace: Workspace) -> ToolResult:
        return ToolResult("Completion noted.", effect=FinishRequested())
