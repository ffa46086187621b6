"""The instruction registry: the program, its counter, and what became of each instruction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from lmac.program import Instruction, Program


class InstructionEnd(StrEnum):
    """How an instruction was left."""

    COMPLETED = "completed"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class InstructionRegistry:
    """The program with a counter, attempts at the current instruction, and a summary for each one left.

    Source: L2MAC, section 3.1 (the instruction registry) and Algorithm 1, line 10 (the summary that opens
    the next instruction).
    """

    program: Program
    attempts: int = 0
    """Windows spent on the current instruction without completing it."""
    ends: tuple[InstructionEnd, ...] = ()
    summaries: tuple[str, ...] = ()
    """One a finished instruction, in order."""
    progress: str = ""
    """What the last window of the current instruction left for the next one."""

    @property
    def counter(self) -> int:
        """Index of the current instruction, from 0; equal to the program's length at the end."""
        return len(self.ends)

    @property
    def finished(self) -> bool:
        return self.counter == len(self.program.instructions)

    @property
    def current(self) -> Instruction:
        return self.program.instructions[self.counter]

    @property
    def previous_summary(self) -> str:
        return self.summaries[-1] if self.summaries else ""

    @property
    def completed(self) -> int:
        return sum(end is InstructionEnd.COMPLETED for end in self.ends)

    def advance(self, end: InstructionEnd, summary: str) -> InstructionRegistry:
        """Leave the current instruction for the next one."""
        return replace(
            self, attempts=0, ends=(*self.ends, end), summaries=(*self.summaries, summary), progress=""
        )

    def restart(self, progress: str) -> InstructionRegistry:
        """Count one more window spent on the current instruction, and keep what it learnt."""
        return replace(self, attempts=self.attempts + 1, progress=progress)
