"""`program`: the model gives its prompt program, where the server has native calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from lmac.program import Instruction, Program
from lmac.tools.tool import Arguments, ProgramGiven, Tool, ToolResult, Workspace


class Step(Arguments):
    """One instruction."""

    text: str = Field(min_length=1)
    files: list[str] = Field(default_factory=list, description="paths that this step writes")


class ProgramArguments(Arguments):
    """The whole program, in order."""

    instructions: list[Step] = Field(min_length=1)


@dataclass(frozen=True)
class GiveProgram(Tool[ProgramArguments]):
    """Takes the program. Source: L2MAC, Algorithm 1, lines 1-2."""

    most_instructions: int
    name: ClassVar[str] = "program"
    description: ClassVar[str] = "give the program: its instructions in order"
    arguments = ProgramArguments

    def carry_out(self, arguments: ProgramArguments, workspace: Workspace) -> ToolResult:
        steps = arguments.instructions
        if len(steps) > self.most_instructions:
            return ToolResult(
                f"{len(steps)} instructions were given; at most {self.most_instructions} are allowed",
                ok=False,
            )
        program = Program(tuple(Instruction(step.text, tuple(step.files)) for step in steps))
        return ToolResult("Program noted.", effect=ProgramGiven(program))
