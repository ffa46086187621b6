"""`run`: a program of the store, in a box."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lmac.checks.session import canonical_output
from lmac.evaluation import in_words
from lmac.evaluator import BoxBroken
from lmac.rendering import untrusted
from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace, cut
from lmac_sandbox import Ending, FileMissing, JobResult, PathRejected


class RunArguments(Arguments):
    """Which program, and its arguments."""

    path: str
    arguments: list[str] = Field(default_factory=list, max_length=64)


class RunProgram(Tool[RunArguments]):
    """Runs a program on a copy of the store; what it writes is gone afterwards."""

    name: ClassVar[str] = "run"
    description: ClassVar[str] = "run a program and show its output"
    positional: ClassVar[tuple[str, ...]] = ("path",)
    fenced_words: ClassVar[str] = "<path> <arguments>"
    rest: ClassVar[str | None] = "arguments"
    arguments = RunArguments

    def carry_out(self, arguments: RunArguments, workspace: Workspace) -> ToolResult:
        try:
            workspace.store.read(arguments.path)
        except (FileMissing, PathRejected) as error:
            return ToolResult(f"{arguments.path} was not run: {error}", ok=False)
        try:
            result = workspace.evaluator.run_program(
                workspace.store.digest(), arguments.path, tuple(arguments.arguments)
            )
        except BoxBroken as error:
            return ToolResult(f"{arguments.path} broke its box: {error.message}", ok=False)
        return ToolResult(_told(arguments.path, result, workspace.observation_characters))


def _told(path: str, result: JobResult, most_characters: int) -> str:
    how = f"exit code {result.exit_code}" if result.ending is Ending.EXITED else in_words(result.ending)
    parts = [f"Ran {path}: {how}."]
    for name, output in (("stdout", result.stdout), ("stderr", result.stderr)):
        if text := canonical_output(result.same_for_all_boxes(output.text())):
            parts.append(f"{name}:\n{untrusted(cut(text, most_characters // 2))}")
    return "\n".join(parts)
