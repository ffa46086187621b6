"""Whether a program covers its requirements and can be carried out; what it lacks, and how code mends it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lmac.program import Instruction, Program, Requirement
from lmac.program.order import circle, in_order

SHOWN_CHARACTERS = 160
"""Of a requirement, in what is said of a gap."""
SHOWN_GAPS = 20
STEM_CHARACTERS = 5

_WORD = re.compile(r"[a-z_][a-z0-9_]{2,}")
_NAME = re.compile(r"[\w./-]+")
_COMMON = frozenset(
    _WORD.findall(
        "all and any are but for from has have into its must not one other returns shall should step tests "
        "that the their then there these this with write when which will"
    )
)


def gaps(program: Program) -> tuple[str, ...]:
    """What the program lacks, in words for its author; () when it covers everything and has an order.

    Args:
        program: Numbered.
    """
    known = {requirement.number for requirement in program.requirements}
    steps = {step.number for step in program.instructions}
    said = [
        f"requirement {requirement.number} is covered by no step: {_short(requirement.text)}"
        for requirement in uncovered(program)
    ]
    for step in program.instructions:
        if known and (strange := sorted(set(step.requirements) - known)):
            said.append(f"step {step.number} names requirements that there are not: {_listed(strange)}")
        if strange := sorted(set(step.depends_on) - steps):
            said.append(f"step {step.number} depends on steps that there are not: {_listed(strange)}")
    if found := circle(program.instructions):
        said.append(f"steps {_listed(found)} depend on one another in a circle")
    left_out = len(said) - SHOWN_GAPS
    return (*said[:SHOWN_GAPS], f"and {left_out} more") if left_out > 0 else tuple(said)


def uncovered(program: Program) -> tuple[Requirement, ...]:
    """The requirements that no instruction names."""
    covered = {number for step in program.instructions for number in step.requirements}
    return tuple(found for found in program.requirements if found.number not in covered)


def mended(program: Program) -> tuple[Program, tuple[str, ...]]:
    """The program without gaps and in its order, and what was done for that.

    Numbers of what does not exist go; of a circle the first instruction waits for none of the others; an
    uncovered requirement goes to the instruction that names its files or shares most words with it.

    Args:
        program: Numbered.
    """
    steps, notes = _without_strange_numbers(program)
    while found := circle(steps):
        first = next(step for step in steps if step.number in found)
        needs = tuple(need for need in first.depends_on if need not in found)
        steps = tuple(replace(first, depends_on=needs) if step is first else step for step in steps)
        notes.append(f"step {first.number} no longer waits for others of the circle {_listed(found)}")
    covered, assigned = assign(replace(program, instructions=in_order(steps)))
    return covered, (*notes, *assigned)


def assign(program: Program) -> tuple[Program, tuple[str, ...]]:
    """The program with every uncovered requirement given to instructions, a last new one if no word fits.

    Args:
        program: Numbered, and in its order.
    """
    takers: dict[int, list[int]] = {}
    homeless: list[Requirement] = []
    # Once: a model may write as many words as steps and requirements allow.
    words = [_words_of(step) for step in program.instructions]
    for requirement in uncovered(program):
        numbers = _takers_of(requirement, program.instructions, words)
        if not numbers:
            homeless.append(requirement)
        for number in numbers:
            takers.setdefault(number, []).append(requirement.number)
    steps = [
        replace(step, requirements=(*step.requirements, *takers.get(step.number, ())))
        for step in program.instructions
    ]
    notes = [f"requirements {_listed(given)} went to step {number}" for number, given in takers.items()]
    if homeless:
        last = Instruction(
            " ".join(("Meet what no other step covers:", *(found.text for found in homeless))),
            requirements=tuple(found.number for found in homeless),
            number=max((step.number for step in steps), default=0) + 1,
        )
        steps.append(last)
        notes.append(f"requirements {_listed(last.requirements)} went to the new step {last.number}")
    return replace(program, instructions=tuple(steps)), tuple(notes)


def takers_of(requirement: Requirement, steps: Sequence[Instruction]) -> tuple[int, ...]:
    """Numbers of the instructions that a requirement belongs to; () when nothing speaks for any.

    Those whose files it names; or else those whose files its heading names; or else the one that shares most
    words with it, the first of equals.
    """
    return _takers_of(requirement, steps, [_words_of(step) for step in steps])


def _takers_of(
    requirement: Requirement, steps: Sequence[Instruction], words_of_steps: Sequence[set[str]]
) -> tuple[int, ...]:
    if len(steps) == 1:
        return (steps[0].number,)
    for text in (requirement.text, requirement.section):
        names = {name.strip("./-") for name in _NAME.findall(text)}
        if named := tuple(step.number for step in steps if _names_any(names, step)):
            return named
    words = _words(f"{requirement.section} {requirement.text}")
    shares = [len(words & known) for known in words_of_steps]
    most = max(shares, default=0)
    return (steps[shares.index(most)].number,) if most else ()


def _without_strange_numbers(program: Program) -> tuple[tuple[Instruction, ...], list[str]]:
    known = {requirement.number for requirement in program.requirements}
    numbers = {step.number for step in program.instructions}
    steps, notes = [], []
    for step in program.instructions:
        kept = replace(
            step,
            requirements=tuple(number for number in dict.fromkeys(step.requirements) if number in known),
            depends_on=tuple(number for number in dict.fromkeys(step.depends_on) if number in numbers),
        )
        if strange := sorted((set(step.requirements) - known) | (set(step.depends_on) - numbers)):
            notes.append(f"step {step.number} named what there is not: {_listed(strange)}")
        steps.append(kept)
    return tuple(steps), notes


def _names_any(names: set[str], step: Instruction) -> bool:
    return any(path in names or path.rsplit("/", 1)[-1] in names for path in step.files)


def _words_of(step: Instruction) -> set[str]:
    names = " ".join(name.name for name in step.public_names)
    return _words(f"{step.text} {' '.join(step.files)} {names}")


def _words(text: str) -> set[str]:
    """Beginnings of the telling words: "doubles" and "doubling" are one."""
    return {word[:STEM_CHARACTERS] for word in _WORD.findall(text.lower()) if word not in _COMMON}


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _listed(numbers: Sequence[int]) -> str:
    # A model may name any number of numbers of any length.
    return ", ".join(str(number)[:12] for number in numbers[:SHOWN_GAPS])
