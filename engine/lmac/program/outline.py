"""The program as the processor is shown it."""

from __future__ import annotations

from collections.abc import Iterator

from lmac.program import Requirement
from lmac.program.registry import InstructionEnd, InstructionRegistry


def render_program(registry: InstructionRegistry) -> str:
    """The outline with what became of each step."""
    lines = []
    for index, line in enumerate(_outline(registry)):
        if index < registry.counter:
            mark = f"  [{registry.ends[index].value}]"
        else:
            mark = "  <- current step" if index == registry.counter else ""
        lines.append(f"{line}{mark}")
    return "\n".join(lines)


def render_outline(registry: InstructionRegistry) -> str:
    """The outline alone: the same text for every step of a program, so that a prompt cache hits."""
    return "\n".join(_outline(registry))


def render_ends(registry: InstructionRegistry) -> str:
    """What became of the steps so far, in a line; "" before the first one ended."""
    steps = registry.program.instructions
    numbers: dict[InstructionEnd, list[str]] = {}
    for index, end in enumerate(registry.ends[: registry.counter]):
        numbers.setdefault(end, []).append(str(steps[index].number or index + 1))
    told = [
        f"{'step' if len(those) == 1 else 'steps'} {', '.join(those)} {end.value}"
        for end, those in numbers.items()
    ]
    return f"{'; '.join(told)}." if told else ""


def _outline(registry: InstructionRegistry) -> Iterator[str]:
    for index, step in enumerate(registry.program.instructions):
        files = f" (files: {', '.join(step.files)})" if step.files else ""
        yield f"{step.number or index + 1}. {step.text}{files}"


def render_instruction(registry: InstructionRegistry, task: str) -> str:
    """The current instruction with all that it is held to.

    Args:
        task: Requirements that stand in it already are named by their numbers alone.
    """
    step, program = registry.current, registry.program
    lines = [step.text]
    if names := step.public_names:
        defined: dict[str, list[str]] = {}
        for name in names:
            defined.setdefault(name.path, []).append(name.name)
        lines += [f"{path} defines {', '.join(known)}." for path, known in defined.items()]
    if needs := [number for number in step.depends_on if number != step.number]:
        lines.append(f"It uses what step {' and step '.join(map(str, needs))} made.")
    if step.check:
        lines.append(f"It will be checked by: {step.check}")
    own = [found for found in program.requirements if found.number in step.requirements]
    if own and len(own) < len(program.requirements):
        lines.append(_requirements(own, task))
    return "\n".join(lines)


def _requirements(own: list[Requirement], task: str) -> str:
    if all(is_numbered_in(found, task) for found in own):
        return f"It covers these requirements of the task: {', '.join(str(found.number) for found in own)}."
    return "\n".join(("It covers these requirements:", *(f"{found.number}. {found.text}" for found in own)))


def is_numbered_in(requirement: Requirement, task: str) -> bool:
    """Whether a text holds the requirement with its number, so that the number is enough to name it."""
    # Of an item over several lines the first words stand on the line of its number.
    beginning = requirement.text[:20]
    return any(f"{requirement.number}{mark} {beginning}" in task for mark in ".)")
