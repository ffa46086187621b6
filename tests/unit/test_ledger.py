"""The requirement ledger follows from the ends of the instructions and the report at hand alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lmac.evaluation import CheckResult, JudgedTest, Report, Verdict
from lmac.program import Instruction, Program, Requirement
from lmac.program.ledger import LedgerEntry, RequirementState, in_short, ledger
from lmac.program.registry import InstructionEnd, InstructionRegistry
from lmac_sandbox import Ending

PROGRAM = Program(
    (
        Instruction("Stack.", ("stack.py", "test_stack.py"), (1,), number=1),
        Instruction("Queue.", ("queue.py", "test_queue.py"), (1, 2), number=2),
    ),
    (Requirement(1, "Both have len()."), Requirement(2, "Items come out in order."), Requirement(3, "More.")),
)
FIRST = InstructionRegistry(PROGRAM).advance(InstructionEnd.COMPLETED, "")
BOTH = FIRST.advance(InstructionEnd.COMPLETED, "")
OPEN, BUILT, SHOWN = RequirementState


def report(**outcomes: str) -> Report:
    """Tests by `file__function`."""
    tests = tuple(
        JudgedTest(f"{name.replace('__', '.py::')}", outcome, 0.1) for name, outcome in outcomes.items()
    )
    verdict = Verdict.PASSED if all(test.outcome == "passed" for test in tests) else Verdict.FAILED
    return Report("d", (CheckResult("tests", verdict, Ending.EXITED, counts_tests=True, tests=tests),))


def completed(step: Instruction) -> InstructionRegistry:
    registry = InstructionRegistry(Program((step,), PROGRAM.requirements[:1]))
    return registry.advance(InstructionEnd.COMPLETED, "")


GREEN = report(test_stack__test_len="passed", test_queue__test_order="passed")


def states(registry: InstructionRegistry, found: Report | None) -> list[RequirementState]:
    return [entry.state for entry in ledger(registry, found)]


def test_a_requirement_is_open_until_every_step_that_covers_it_is_completed() -> None:
    assert states(InstructionRegistry(PROGRAM), GREEN) == [OPEN, OPEN, OPEN]
    assert states(FIRST, GREEN) == [OPEN, OPEN, OPEN]
    assert states(FIRST.advance(InstructionEnd.GIVEN_UP, ""), GREEN) == [OPEN, OPEN, OPEN]
    assert states(BOTH, None) == [BUILT, BUILT, OPEN]


def test_it_is_shown_by_the_tests_of_those_steps_that_passed() -> None:
    entries = ledger(BOTH, GREEN)

    assert entries[:2] == (
        LedgerEntry(
            1, "Both have len().", SHOWN, (1, 2), ("test_stack.py::test_len", "test_queue.py::test_order")
        ),
        LedgerEntry(2, "Items come out in order.", SHOWN, (2,), ("test_queue.py::test_order",)),
    )
    assert in_short(entries) == {"open": [3], "built": [], "shown": [1, 2]}


def test_a_failed_test_of_a_step_shows_nothing_of_it() -> None:
    red = report(
        test_stack__test_len="passed", test_queue__test_order="passed", test_queue__test_len="failed"
    )

    assert states(BOTH, red) == [BUILT, BUILT, OPEN]


def test_a_step_without_tests_of_its_own_leaves_its_requirements_unshown() -> None:
    assert states(BOTH, report(test_queue__test_order="passed")) == [BUILT, SHOWN, OPEN]


@pytest.mark.parametrize(
    ("check", "shown_by"),
    [
        ("test_all.py::test_queue", ("test_all.py::test_queue",)),
        ("pytest test_all.py", ("test_all.py::test_stack", "test_all.py::test_queue")),
        ("by test_stack and test_queue.", ("test_all.py::test_stack", "test_all.py::test_queue")),
        ("the check `sections`", ("sections",)),
    ],
)
def test_a_step_that_names_its_check_is_shown_by_that(check: str, shown_by: tuple[str, ...]) -> None:
    found = report(test_all__test_stack="passed", test_all__test_queue="passed")
    found = Report("d", (*found.results, CheckResult("sections", Verdict.PASSED, Ending.EXITED)))
    (entry,) = ledger(completed(Instruction("Write.", ("a.md",), (1,), check=check, number=1)), found)

    assert (entry.state, entry.shown_by) == (SHOWN, shown_by)


def test_a_named_check_that_failed_shows_nothing() -> None:
    found = Report("d", (CheckResult("sections", Verdict.FAILED, Ending.EXITED),))
    (entry,) = ledger(completed(Instruction("Write.", (), (1,), check="sections", number=1)), found)

    assert (entry.state, entry.shown_by) == (BUILT, ())


def test_a_named_check_does_not_stand_for_a_named_test_that_failed() -> None:
    step = Instruction("Write.", (), (1,), check="lint, test_a.py", number=1)
    lint = CheckResult("lint", Verdict.PASSED, Ending.EXITED)
    for outcome, shown_by in (("failed", ()), ("passed", ("test_a.py::test_it", "lint"))):
        found = Report("d", (*report(test_a__test_it=outcome).results, lint))
        (entry,) = ledger(completed(step), found)

        assert entry.shown_by == shown_by


def test_what_a_session_told_before_it_was_broken_off_shows_nothing() -> None:
    (whole,) = GREEN.results
    broken = replace(whole, verdict=Verdict.BROKEN_OFF, ending=Ending.TIMED_OUT)

    assert states(BOTH, Report("d", (broken,))) == [BUILT, BUILT, OPEN]


def test_tests_that_a_check_only_counts_show_a_step_that_has_a_file_of_tests() -> None:
    found = Report(
        "d", (CheckResult("tests", Verdict.PASSED, Ending.EXITED, passed_count=3, counts_tests=True),)
    )
    entries = ledger(BOTH, found)

    assert entries[0].shown_by == ("tests",)
