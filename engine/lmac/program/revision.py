"""Revisions of a program while it runs: an instruction is split, added or dropped, with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from lmac.program import MOST_INSTRUCTIONS, Instruction, Program
from lmac.program.coverage import takers_of, uncovered
from lmac.program.order import circle, in_order

MOST_PARTS = 4
"""Of one split: each has its own attempts, and a run must end."""


class RevisionRefused(ValueError):
    """A revision that would break the program; the message says why, for the model."""


@dataclass(frozen=True, slots=True)
class Split:
    """One instruction becomes several, which are carried out in its place, in their order."""

    number: int
    parts: tuple[Instruction, ...]
    """Without numbers. What of the instruction's files and requirements no part names is given to them."""
    reason: str


FEWEST_TO_DIVIDE = 4
"""Requirements of an instruction that code can divide."""


def divided(step: Instruction) -> Split | None:
    """A split that needs no model: the same files in two goes, each for half of the requirements.

    Returns:
        None when the instruction covers too few requirements to tell halves apart.
    """
    if len(step.requirements) < FEWEST_TO_DIVIDE:
        return None
    half = (len(step.requirements) + 1) // 2
    first, second = step.requirements[:half], step.requirements[half:]
    files = " and ".join(step.files)
    begin = f"Write {files}" if files else step.text.rstrip(".")
    extend = f"Extend {files}" if files else f"{step.text.rstrip('.')}: go on"
    return Split(
        step.number,
        (
            Instruction(f"{begin}, but only what requirements {_listed(first)} ask for.", step.files, first),
            Instruction(
                f"{extend} by what requirements {_listed(second)} ask for, and keep what is there.",
                step.files,
                second,
            ),
        ),
        "its requirements are divided, for no other parts were given",
    )


@dataclass(frozen=True, slots=True)
class Add:
    """One more instruction, after those that it depends on and otherwise at the end."""

    instruction: Instruction
    """Without a number."""
    reason: str
    needed_by: tuple[int, ...] = ()
    """Numbers of instructions that shall wait for it."""


@dataclass(frozen=True, slots=True)
class Drop:
    """One instruction less."""

    number: int
    reason: str
    moved_to: int | None = None
    """The instruction that takes over what the dropped one covers."""


Revision = Split | Add | Drop


def revise(program: Program, left: int, next_number: int, revision: Revision) -> Program:
    """The program after a revision. Numbers stay whose they are; new instructions get new ones.

    Args:
        left: How many instructions, from the first, were left: nothing of them is changed.
        next_number: The first that no instruction of the run ever had.

    Raises:
        RevisionRefused: it touches what was left, names what there is not, or leaves a requirement uncovered.
    """
    match revision:
        case Split():
            return _split(program, left, next_number, revision)
        case Add():
            return _added(program, left, next_number, revision)
        case Drop():
            return _dropped(program, left, revision)
        case _:
            assert_never(revision)


def _split(program: Program, left: int, next_number: int, split: Split) -> Program:
    whole = _open(program, left, split.number)
    if not 2 <= len(split.parts) <= MOST_PARTS:
        raise RevisionRefused(f"{len(split.parts)} parts were given; a split takes 2 to {MOST_PARTS}")
    steps = list(program.instructions)
    _demand_room(len(steps) + len(split.parts) - 1)
    parts = _covering(program, whole, _parts(whole, split.parts, next_number))
    place = steps.index(whole)
    numbers = tuple(part.number for part in parts)
    steps[place : place + 1] = parts
    steps[place + len(parts) :] = [
        _waiting(step, whole.number, numbers) for step in steps[place + len(parts) :]
    ]
    return replace(program, instructions=tuple(steps))


def _parts(whole: Instruction, parts: Sequence[Instruction], number: int) -> list[Instruction]:
    """The parts of an instruction: together they cover and write all that it did, one after the other."""
    numbered: list[Instruction] = []
    for part in parts:
        before = (numbered[-1].number,) if numbered else whole.depends_on
        numbered.append(
            replace(
                part,
                number=number + len(numbered),
                depends_on=before,
                requirements=tuple(found for found in part.requirements if found in whole.requirements),
                public_names=tuple(name for name in whole.public_names if name.path in part.files),
            )
        )
    named = {path for part in numbered for path in part.files}
    last = numbered[-1]
    forgotten = tuple(path for path in whole.files if path not in named)
    names = tuple(name for name in whole.public_names if name.path in forgotten)
    numbered[-1] = replace(
        last,
        files=last.files + forgotten,
        public_names=last.public_names + names,
        check=last.check or whole.check,
    )
    return numbered


def _covering(program: Program, whole: Instruction, parts: list[Instruction]) -> list[Instruction]:
    """The parts, each requirement of the whole among them."""
    named = {number for part in parts for number in part.requirements}
    for requirement in program.requirements:
        if requirement.number in whole.requirements and requirement.number not in named:
            takers = takers_of(requirement, parts) or (parts[-1].number,)
            parts = [
                replace(part, requirements=(*part.requirements, requirement.number))
                if part.number in takers
                else part
                for part in parts
            ]
    return parts


def _added(program: Program, left: int, number: int, add: Add) -> Program:
    _demand_room(len(program.instructions) + 1)
    numbers = {step.number for step in program.instructions}
    requirements = {requirement.number for requirement in program.requirements}
    for named, known, what in (
        (add.instruction.depends_on, numbers, "step"),
        (add.needed_by, numbers, "step"),
        (add.instruction.requirements, requirements, "requirement"),
    ):
        if strange := [found for found in named if found not in known]:
            raise RevisionRefused(f"there is no {what} {strange[0]}")
    for needing in add.needed_by:
        if _open(program, left, needing) is program.instructions[left]:
            raise RevisionRefused(f"step {needing} is being carried out: split it instead")
    new = replace(add.instruction, number=number)
    steps = [
        replace(step, depends_on=(*step.depends_on, number)) if step.number in add.needed_by else step
        for step in program.instructions
    ]
    # The current instruction stays the current one, whatever is added behind it.
    fixed, later = steps[: left + 1], [*steps[left + 1 :], new]
    if found := circle([*fixed, *later]):
        raise RevisionRefused(f"steps {_listed(found)} would depend on one another in a circle")
    return replace(program, instructions=(*fixed, *in_order(later)))


def _dropped(program: Program, left: int, drop: Drop) -> Program:
    step = _open(program, left, drop.number)
    if not program.requirements:
        raise RevisionRefused(
            f"step {drop.number} cannot be dropped: no numbered requirements show what would be lost"
        )
    steps = [other for other in program.instructions if other is not step]
    if drop.moved_to is not None:
        taker = _open(program, left, drop.moved_to)
        if taker is step:
            raise RevisionRefused("a step cannot take over from itself")
        covered = tuple(dict.fromkeys((*taker.requirements, *step.requirements)))
        steps[steps.index(taker)] = replace(taker, requirements=covered)
    steps = [_waiting(other, step.number, step.depends_on) for other in steps]
    shorter = replace(program, instructions=tuple(steps))
    lost = [
        requirement.number for requirement in uncovered(shorter) if requirement.number in step.requirements
    ]
    if lost:
        raise RevisionRefused(
            f"only step {drop.number} covers requirements {_listed(lost)}: name the step that takes them over"
        )
    return shorter


def _open(program: Program, left: int, number: int) -> Instruction:
    place = next((at for at, step in enumerate(program.instructions) if step.number == number), None)
    if place is None:
        known = ", ".join(str(step.number) for step in program.instructions[left:])
        raise RevisionRefused(f"there is no step {number}; still to be done are {known}")
    if place < left:
        raise RevisionRefused(f"step {number} was left already, and nothing of it is changed")
    return program.instructions[place]


def _waiting(step: Instruction, for_number: int, instead: tuple[int, ...]) -> Instruction:
    """The instruction, waiting for these instead of that one."""
    if for_number not in step.depends_on:
        return step
    needs = (need for old in step.depends_on for need in (instead if old == for_number else (old,)))
    return replace(step, depends_on=tuple(dict.fromkeys(needs)))


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _demand_room(count: int) -> None:
    if count > MOST_INSTRUCTIONS:
        raise RevisionRefused(
            f"the program would have {count} steps; at most {MOST_INSTRUCTIONS} are allowed"
        )
