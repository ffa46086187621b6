"""The instruction registry: the program, its counter, and what became of each instruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from lmac.program import Instruction, Program, is_test_file
from lmac.program.revision import Revision, revise

PROGRESS_KEPT = 3
"""Windows of an instruction whose summaries the next one is told; older ones have been read by those."""
PROGRESS_RULE = "\n---\n"
TESTS_WEIGHT = 0.5
"""Of an instruction that writes tests alone, where any other one has 1."""


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
    revisions: int = 0
    """How often the program was revised."""
    last_number: int = 0
    """The highest number that an instruction ever had, dropped ones included."""

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
    def number(self) -> int:
        """Of the current instruction, as the program names it."""
        return self.current.number or self.counter + 1

    @property
    def later_files(self) -> Mapping[str, int]:
        """Files that only instructions after the current one name, each with the number of its first one."""
        steps = self.program.instructions
        known = {path for step in steps[: self.counter + 1] for path in step.files}
        later: dict[str, int] = {}
        for step in steps[self.counter + 1 :]:
            for path in step.files:
                if path not in known:
                    later.setdefault(path, step.number)
        return later

    @property
    def leaves_tests(self) -> bool:
        """Whether the current instruction writes no tests because a later one does."""
        later = self.program.instructions[self.counter + 1 :]
        return not any(map(is_test_file, self.current.files)) and any(
            step.writes_only_tests for step in later
        )

    @property
    def weight(self) -> float:
        """The current instruction's part of what is left for it and those after it."""
        left = self.program.instructions[self.counter :]
        weights = [TESTS_WEIGHT if step.writes_only_tests else 1.0 for step in left]
        return weights[0] / sum(weights)

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
        """Count one more window spent on the current instruction, and keep what the last ones learnt."""
        known = [said for said in self.progress.split(PROGRESS_RULE) if said and said != progress]
        kept = [*known[1 - PROGRESS_KEPT :], progress]
        return replace(self, attempts=self.attempts + 1, progress=PROGRESS_RULE.join(kept))

    def revised(self, revision: Revision) -> InstructionRegistry:
        """Go on with a revised program; a current instruction that gave way leaves nothing of its attempts.

        Raises:
            RevisionRefused: the revision would break the program.
        """
        highest = max(self.last_number, *(step.number for step in self.program.instructions))
        program = revise(self.program, self.counter, highest + 1, revision)
        last = max(highest, *(step.number for step in program.instructions))
        registry = replace(self, program=program, revisions=self.revisions + 1, last_number=last)
        stays = not self.finished and self.current.number in {
            step.number for step in program.instructions[self.counter : self.counter + 1]
        }
        return registry if stays else replace(registry, attempts=0, progress="")
