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


CODE = Instruction("code", ("a.py", "b.py"), number=1)
MORE = Instruction("more", ("b.py", "c.py"), number=2)
TESTS = Instruction("tests", ("test_a.py", "tests/b_test.py"), number=3)


def test_files_of_later_steps_are_those_that_no_step_so_far_names() -> None:
    registry = InstructionRegistry(Program((CODE, MORE, TESTS)))

    assert registry.later_files == {"c.py": 2, "test_a.py": 3, "tests/b_test.py": 3}
    assert registry.advance(InstructionEnd.GIVEN_UP, "").later_files == {"test_a.py": 3, "tests/b_test.py": 3}


def test_a_step_of_tests_alone_weighs_half_and_the_others_leave_tests_to_it() -> None:
    first = InstructionRegistry(Program((CODE, MORE, TESTS)))
    last = first.advance(InstructionEnd.COMPLETED, "").advance(InstructionEnd.COMPLETED, "")

    assert (first.weight, last.weight) == (1 / 2.5, 1.0)
    assert (first.leaves_tests, last.leaves_tests) == (True, False)
    assert not InstructionRegistry(Program((CODE, MORE))).leaves_tests
    with_tests = Instruction("both", ("a.py", "test_a.py"))
    assert not InstructionRegistry(Program((with_tests, TESTS))).leaves_tests
