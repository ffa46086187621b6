"""A program's order and coverage: gaps are named, and code closes what a model leaves open."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.program import Instruction, Program, PublicName, Requirement
from lmac.program.coverage import gaps, mended, uncovered
from lmac.program.order import circle, in_order


def step(number: int, *needs: int, text: str = "", **more: object) -> Instruction:
    return replace(Instruction(text or f"step {number}", number=number, depends_on=needs), **more)  # type: ignore[arg-type]  # fields vary


def required(*texts: str) -> tuple[Requirement, ...]:
    return tuple(Requirement(number, text) for number, text in enumerate(texts, start=1))


def test_a_whole_program_has_no_gaps() -> None:
    program = Program((step(1, requirements=(1, 2)), step(2, 1, requirements=(2,))), required("a", "b"))

    assert gaps(program) == ()
    assert mended(program) == (program, ())


def test_every_kind_of_gap_is_named() -> None:
    program = Program((step(1, 3, requirements=(9,)), step(2, 1), step(3, 2, 7)), required("It doubles."))

    assert gaps(program) == (
        "requirement 1 is covered by no step: It doubles.",
        "step 1 names requirements that there are not: 9",
        "step 3 depends on steps that there are not: 7",
        "steps 1, 2, 3 depend on one another in a circle",
    )


def test_many_gaps_are_told_shortly() -> None:
    program = Program((step(1),), required(*("x" * 5000 for _ in range(100))))
    told = gaps(program)

    assert len("\n".join(told)) < 5000
    assert told[-1] == "and 80 more"


def test_a_circle_is_broken_where_the_list_begins_it() -> None:
    program, notes = mended(Program((step(1, 2), step(2, 3), step(3, 1), step(4, 1))))

    assert [found.number for found in program.instructions] == [1, 3, 2, 4]
    assert notes == ("step 1 no longer waits for others of the circle 1, 2, 3",)


def test_what_only_hangs_on_a_circle_is_not_in_it() -> None:
    assert circle((step(1, 2), step(2, 1), step(3, 1), step(4))) == (1, 2)
    assert circle((step(1, 1),)) == (1,)


def test_an_uncovered_requirement_goes_to_all_steps_whose_files_it_names() -> None:
    steps = (
        step(1, files=("a.py", "test_a.py")),
        step(2, files=("pkg/b.py", "test_b.py")),
        step(3, files=("c.py",)),
    )
    program, notes = mended(Program(steps, required("`test_a.py` and b.py have tests.", "In data.py.")))

    assert [found.requirements for found in program.instructions][:2] == [(1,), (1,)]
    assert "requirements 1 went to step 1" in notes


def test_or_else_to_the_step_whose_files_its_heading_names() -> None:
    requirement = Requirement(1, "It encodes numbers for the store.", "Module `base62.py`")
    steps = (step(1, files=("store.py",), text="Numbers for the store."), step(2, files=("base62.py",)))
    program, _ = mended(Program(steps, (requirement,)))

    assert [found.requirements for found in program.instructions] == [(), (1,)]


def test_or_else_to_the_step_that_shares_most_words_with_it() -> None:
    names = (PublicName("q.py", "enqueue"),)
    steps = (step(1, text="A stack."), step(2, files=("q.py",), public_names=names))
    program, _ = mended(Program(steps, required("`enqueue(item)` puts one at the back.")))

    assert [found.requirements for found in program.instructions] == [(), (1,)]


def test_a_requirement_that_fits_nowhere_becomes_a_last_step() -> None:
    program, notes = mended(Program((step(1, text="Stack."), step(5, text="Queue.")), required("Zebra!")))
    last = program.instructions[-1]

    assert (last.number, last.requirements) == (6, (1,))
    assert "Zebra!" in last.text
    assert notes == ("requirements 1 went to the new step 6",)


def test_the_only_step_covers_everything() -> None:
    program, _ = mended(Program((step(1),), required("Zebra!", "Lion!")))

    assert program.instructions[0].requirements == (1, 2)


def test_instructions_in_a_circle_have_no_order() -> None:
    with pytest.raises(ValueError, match="circle"):
        in_order((step(1, 2), step(2, 1)))


NUMBERS = st.integers(1, 9)
PROGRAMS = st.builds(
    lambda steps, texts: Program(
        tuple(replace(one, number=number) for number, one in enumerate(steps, start=1)), required(*texts)
    ),
    st.lists(
        st.builds(
            Instruction,
            st.sampled_from(["write alpha", "write beta", "write gamma"]),
            st.sampled_from([(), ("a.py",), ("b.py", "test_b.py")]),
            st.lists(NUMBERS, max_size=3).map(tuple),
            depends_on=st.lists(NUMBERS, max_size=3).map(tuple),
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.sampled_from(["alpha works", "a.py is there", "test_b.py tests b.py", "omega"]), max_size=6),
)


@given(PROGRAMS)
def test_a_mended_program_has_no_gaps_keeps_every_step_and_is_mended_no_further(program: Program) -> None:
    whole, _ = mended(program)

    assert gaps(whole) == ()
    assert uncovered(whole) == ()
    kept = {one.number: one.text for one in whole.instructions}
    assert kept.items() >= {one.number: one.text for one in program.instructions}.items()
    assert mended(whole) == (whole, ())


@given(PROGRAMS)
def test_every_step_comes_after_those_that_it_depends_on(program: Program) -> None:
    seen: set[int] = set()
    for one in mended(program)[0].instructions:
        assert seen.issuperset(one.depends_on)
        seen.add(one.number)


@given(PROGRAMS)
def test_a_list_that_is_in_order_is_left_as_it_is(program: Program) -> None:
    steps = mended(program)[0].instructions

    assert in_order(steps) == steps


def test_the_largest_program_that_a_model_may_give_is_mended_soon() -> None:
    names = tuple(PublicName("a.py", f"name_{number}") for number in range(2500))
    steps = tuple(Instruction("x" * 4000, public_names=names, number=number) for number in range(1, 201))
    requirements = tuple(Requirement(number, f"word{number} " * 100) for number in range(1, 201))
    before = time.process_time()

    assert uncovered(mended(Program(steps, requirements))[0]) == ()
    assert time.process_time() - before < 6
