"""`tests`: all checks on the store as it stands."""

from __future__ import annotations

from typing import ClassVar

from lmac.tools.tool import Arguments, EvaluationRequested, Tool, ToolResult, Workspace


class TestsArguments(Arguments):
    """None."""

    __test__ = False


class RunTests(Tool[TestsArguments]):
    """Asks for an evaluation; its report follows as the control unit's notice."""

    name: ClassVar[str] = "tests"
    description: ClassVar[str] = "run all checks and tests"
    arguments = TestsArguments

    def carry_out(self, arguments: TestsArguments, workspace: Workspace) -> ToolResult:
        return ToolResult("The checks were run.", effect=EvaluationRequested())
