"""The registry's counter follows from what was left behind; nothing of it is changed in place."""

from __future__ import annotations

from lmac.program import Instruction, Program
from lmac.program.registry import InstructionEnd, InstructionRegistry

PROGRAM = Program((Instruction("first"), Instruction("second")))


def test_a_new_registry_stands_at_the_first_instruction() -> None:
    registry = InstructionRegistry(PROGRAM)

    assert (registry.counter, registry.finished, registry.completed) == (0, False, 0)
    assert registry.current == Instruction("first")
    assert registry.previous_summary == ""


def test_a_restart_counts_an_attempt_and_keeps_its_progress() -> None:
    registry = InstructionRegistry(PROGRAM).restart("half of it").restart("more of it")

    assert (registry.counter, registry.attempts, registry.progress) == (0, 2, "half of it\n---\nmore of it")


def test_advancing_leaves_attempts_and_progress_behind() -> None:
    registry = (
        InstructionRegistry(PROGRAM).restart("half").advance(InstructionEnd.COMPLETED, "made the first")
    )

    assert (registry.counter, registry.attempts, registry.progress) == (1, 0, "")
    assert registry.current == Instruction("second")
    assert registry.previous_summary == "made the first"


def test_a_registry_is_finished_when_every_instruction_was_left() -> None:
    first = InstructionRegistry(PROGRAM)
    registry = first.advance(InstructionEnd.GIVEN_UP, "").advance(InstructionEnd.COMPLETED, "")

    assert registry.finished
    assert registry.completed == 1
    assert not first.finished
