"""Revisions: numbers stay whose they are, nothing that was left is changed, no requirement is lost."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.program import Instruction, Program, PublicName, Requirement
from lmac.program.coverage import gaps
from lmac.program.registry import InstructionEnd, InstructionRegistry
from lmac.program.revision import MOST_PARTS, Add, Drop, Revision, RevisionRefused, Split, divided

REQUIREMENTS = tuple(Requirement(number, text) for number, text in enumerate(("stack", "queue", "both"), 1))
PROGRAM = Program(
    (
        Instruction("Stack.", ("stack.py",), (1,), number=1),
        Instruction(
            "Queue.", ("queue.py", "test_queue.py"), (2,), (PublicName("queue.py", "Queue"),), (1,), number=2
        ),
        Instruction("Both.", ("both.py",), (3,), depends_on=(2,), number=3),
    ),
    REQUIREMENTS,
)
AT_SECOND = InstructionRegistry(PROGRAM).advance(InstructionEnd.COMPLETED, "stack is there")
HALVES = (Instruction("Write queue.", ("queue.py",)), Instruction("Test the queue."))


def test_a_split_puts_the_parts_in_the_place_of_the_step_and_loses_nothing_of_it() -> None:
    revised = AT_SECOND.restart("half of it").revised(Split(2, HALVES, "too large"))

    assert [step.number for step in revised.program.instructions] == [1, 4, 5, 3]
    first, second = revised.program.instructions[1:3]
    assert (first.depends_on, second.depends_on) == ((1,), (4,))
    assert first.files + second.files == ("queue.py", "test_queue.py")
    assert first.public_names == (PublicName("queue.py", "Queue"),)
    assert set(first.requirements + second.requirements) == {2}
    assert revised.program.instructions[3].depends_on == (4, 5)
    assert (revised.current, revised.attempts, revised.progress) == (first, 0, "")
    assert (revised.counter, revised.revisions, revised.number) == (1, 1, 4)
    assert revised.previous_summary == "stack is there"


def test_code_can_divide_a_step_by_its_requirements() -> None:
    step = Instruction("All.", ("a.py", "test_a.py"), (1, 2, 3, 4, 5), number=6)
    split = divided(step)

    assert split is not None
    assert [part.requirements for part in split.parts] == [(1, 2, 3), (4, 5)]
    assert [part.files for part in split.parts] == [step.files, step.files]
    assert split.parts[0].text == "Write a.py and test_a.py, but only what requirements 1, 2, 3 ask for."
    assert "Extend a.py and test_a.py by what requirements 4, 5 ask for" in split.parts[1].text
    assert divided(Instruction("All.", (), (1, 2, 3))) is None
    requirements = tuple(Requirement(number, "x") for number in range(1, 6))
    revised = InstructionRegistry(Program((step,), requirements)).revised(split)
    assert gaps(revised.program) == ()


def test_an_added_step_waits_for_what_it_needs_and_is_waited_for() -> None:
    added = Instruction("Base.", ("base.py",), (3,), depends_on=(2,))
    revised = AT_SECOND.restart("half").revised(Add(added, "missing", needed_by=(3,)))

    assert [step.number for step in revised.program.instructions] == [1, 2, 4, 3]
    assert revised.program.instructions[3].depends_on == (2, 4)
    assert (revised.attempts, revised.progress) == (1, "half"), "the current step goes on"


def test_a_dropped_step_hands_over_what_only_it_covers_and_what_it_waited_for() -> None:
    with pytest.raises(RevisionRefused, match="only step 2 covers requirements 2"):
        AT_SECOND.revised(Drop(2, "not needed"))
    revised = AT_SECOND.restart("half").revised(Drop(2, "not needed", moved_to=3))

    assert [step.number for step in revised.program.instructions] == [1, 3]
    assert (revised.current.requirements, revised.current.depends_on) == ((3, 2), (1,))
    assert revised.attempts == 0


def test_the_number_of_a_dropped_step_is_never_given_again() -> None:
    revised = AT_SECOND.revised(Drop(3, "r", moved_to=2)).revised(Add(Instruction("More."), "r"))

    assert [step.number for step in revised.program.instructions] == [1, 2, 4]


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        (Split(1, HALVES, "r"), "step 1 was left already"),
        (Drop(1, "r", 2), "step 1 was left already"),
        (Drop(3, "r", 1), "step 1 was left already"),
        (Drop(2, "r", 2), "from itself"),
        (Split(9, HALVES, "r"), "no step 9; still to be done are 2, 3"),
        (Split(2, HALVES[:1], "r"), "1 parts"),
        (Split(2, HALVES * MOST_PARTS, "r"), "8 parts"),
        (Add(Instruction("x", depends_on=(7,)), "r"), "no step 7"),
        (Add(Instruction("x", requirements=(7,)), "r"), "no requirement 7"),
        (Add(Instruction("x"), "r", (2,)), "being carried out"),
        (Add(Instruction("x", depends_on=(3,)), "r", (3,)), "circle"),
    ],
)
def test_what_would_break_the_program_is_refused(revision: Revision, told: str) -> None:
    with pytest.raises(RevisionRefused, match=told):
        AT_SECOND.revised(revision)


def test_without_requirements_nothing_shows_that_a_step_is_not_needed() -> None:
    registry = InstructionRegistry(Program((Instruction("a"), Instruction("b"))).numbered())

    with pytest.raises(RevisionRefused, match="what would be lost"):
        registry.revised(Drop(2, "r"))


NUMBERS = st.integers(1, 9)
PARTS = st.builds(
    Instruction,
    st.sampled_from(["stack", "queue", "both"]),
    st.sampled_from([(), ("queue.py",), ("x.py",)]),
    st.lists(NUMBERS, max_size=2).map(tuple),
    depends_on=st.lists(NUMBERS, max_size=2).map(tuple),
)
REVISIONS = st.one_of(
    st.builds(Split, NUMBERS, st.lists(PARTS, max_size=5).map(tuple), st.just("r")),
    st.builds(Add, PARTS, st.just("r"), st.lists(NUMBERS, max_size=2).map(tuple)),
    st.builds(Drop, NUMBERS, st.just("r"), st.none() | NUMBERS),
)


@given(st.lists(st.none() | REVISIONS, max_size=12))
def test_whatever_is_revised_the_past_stays_the_order_holds_and_every_requirement_is_covered(
    course: list[Revision | None],
) -> None:
    registry = InstructionRegistry(PROGRAM)
    texts: dict[int, str] = {}
    for revision in course:
        before = registry
        if revision is None:
            if not registry.finished:
                registry = registry.advance(InstructionEnd.COMPLETED, "")
            continue
        with suppress(RevisionRefused):
            registry = registry.revised(revision)
        steps, past = registry.program.instructions, before.program.instructions[: before.counter]
        assert steps[: registry.counter] == past
        assert gaps(registry.program) == ()
        assert len({step.number for step in steps}) == len(steps)
        for place, step in enumerate(steps):
            assert {other.number for other in steps[:place]}.issuperset(step.depends_on)
            assert texts.setdefault(step.number, step.text) == step.text
