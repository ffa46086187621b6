"""The order in which instructions are carried out: what others depend on comes first."""

from __future__ import annotations

from collections.abc import Iterable

from lmac.program import Instruction


def circle(instructions: Iterable[Instruction]) -> tuple[int, ...]:
    """Numbers of instructions that depend on one another in a circle, as they are listed; () for none."""
    open_ends = {step.number: set(step.depends_on) for step in instructions}
    while free := [number for number, needs in open_ends.items() if not needs & open_ends.keys()]:
        for number in free:
            del open_ends[number]
    # What only leads out of a circle stands in none.
    while loose := open_ends.keys() - {need for needs in open_ends.values() for need in needs}:
        for number in loose:
            del open_ends[number]
    return tuple(open_ends)


def in_order(instructions: Iterable[Instruction]) -> tuple[Instruction, ...]:
    """Each instruction after those that it depends on, and otherwise as they were listed.

    A number that is not in the list keeps nothing waiting.

    Raises:
        ValueError: they depend on one another in a circle.
    """
    waiting = list(instructions)
    unplaced = {step.number for step in waiting}
    placed: list[Instruction] = []
    while waiting:
        ready = next((step for step in waiting if not unplaced & set(step.depends_on)), None)
        if ready is None:
            raise ValueError(f"instructions {sorted(unplaced)} depend on one another in a circle")
        waiting.remove(ready)
        unplaced.remove(ready.number)
        placed.append(ready)
    return tuple(placed)
