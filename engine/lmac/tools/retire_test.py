"""`retire`: says why a test of an earlier instruction may go or change."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lmac.tools.tool import Arguments, RetiredTest, Tool, ToolResult, Workspace


class RetireArguments(Arguments):
    """Which test, and why."""

    test: str = Field(min_length=1, max_length=500, description="path::name")
    reason: list[str] = Field(min_length=1, max_length=200)


class RetireTest(Tool[RetireArguments]):
    """Justifies what would otherwise keep an instruction from closing; the reason stands in the journal."""

    name: ClassVar[str] = "retire"
    description: ClassVar[str] = "say why a test of an earlier step was deleted or changed"
    positional: ClassVar[tuple[str, ...]] = ("test",)
    fenced_words: ClassVar[str] = "<path>::<name> <reason>"
    rest: ClassVar[str | None] = "reason"
    arguments = RetireArguments

    def carry_out(self, arguments: RetireArguments, workspace: Workspace) -> ToolResult:
        reason = " ".join(arguments.reason)
        return ToolResult(f"Noted for {arguments.test}.", effect=RetiredTest(arguments.test, reason))
