"""`revise`: the model changes the program, with a reason, while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from lmac.program import Instruction, ProgramFault, legal_path
from lmac.program.revision import MOST_PARTS, Add, Drop, Revision, Split
from lmac.program_answers import Number
from lmac.tools.tool import Arguments, RevisionRequested, Tool, ToolResult, Workspace


class NewStep(Arguments):
    """A part of a split, or an added step."""

    text: str = Field(min_length=1, max_length=4000)
    files: list[str] = Field(default_factory=list, max_length=50)
    requirements: list[Number] = Field(default_factory=list, max_length=200)

    def instruction(self, depends_on: Iterable[int] = ()) -> Instruction:
        """It as a program holds it.

        Raises:
            ProgramFault: the store would not take a file of it.
        """
        for path in self.files:
            if not legal_path(path):
                raise ProgramFault(f"{path[:80]!r} is no path of the store")
        files, requirements = dict.fromkeys(self.files), dict.fromkeys(self.requirements)
        return Instruction(
            self.text, tuple(files), tuple(requirements), depends_on=tuple(dict.fromkeys(depends_on))
        )


class ReviseArguments(Arguments):
    """One change."""

    change: Literal["split", "add", "drop"]
    reason: str = Field(min_length=1, max_length=500)
    step: Number | None = Field(default=None, description="that is split or dropped")
    steps: list[NewStep] = Field(
        default_factory=list, max_length=MOST_PARTS, description="parts of the split, or the added step"
    )
    depends_on: list[Number] = Field(default_factory=list, max_length=50, description="of the added step")
    needed_by: list[Number] = Field(
        default_factory=list, max_length=50, description="steps that wait for the added one"
    )
    moved_to: Number | None = Field(
        default=None, description="the step that takes over the requirements of the dropped one"
    )


@dataclass(frozen=True)
class Revise(Tool[ReviseArguments]):
    """Asks for a revision; the control unit judges and counts it."""

    name: ClassVar[str] = "revise"
    description: ClassVar[str] = (
        "change the program: split a step that is too large, add one that is missing, drop one not needed"
    )
    arguments = ReviseArguments

    def carry_out(self, arguments: ReviseArguments, workspace: Workspace) -> ToolResult:
        try:
            revision = _revision(arguments)
        except ProgramFault as fault:
            return ToolResult(f"revise: {fault}", ok=False)
        return ToolResult("Revision noted.", effect=RevisionRequested(revision))


def _revision(asked: ReviseArguments) -> Revision:
    steps = tuple(step.instruction(asked.depends_on) for step in asked.steps)
    match asked.change:
        case "add":
            if len(steps) != 1:
                raise ProgramFault(f"`steps` holds {len(steps)} steps; one is added at a time")
            return Add(steps[0], asked.reason, tuple(asked.needed_by))
        case "split":
            return Split(_named(asked), steps, asked.reason)
        case "drop":
            return Drop(_named(asked), asked.reason, asked.moved_to)


def _named(asked: ReviseArguments) -> int:
    if asked.step is None:
        raise ProgramFault(f"`step` must say which step to {asked.change}")
    return asked.step
