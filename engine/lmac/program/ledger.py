"""The requirement ledger: which requirement is open, which is built, and by which check it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lmac.evaluation import JudgedTest, Report, Verdict
from lmac.program import Instruction
from lmac.program.registry import InstructionEnd, InstructionRegistry

SHOWN_BY_MOST = 20
"""Checks that an entry names."""
_NAME = re.compile(r"[\w./:\[\]-]+")


class RequirementState(StrEnum):
    """How far a requirement is."""

    OPEN = "open"
    """An instruction that covers it is not completed, or none does."""
    BUILT = "built"
    """Every instruction that covers it is completed, on green checks."""
    SHOWN = "shown"
    """Built, and checks of those instructions passed on the files at hand."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One requirement."""

    number: int
    text: str
    state: RequirementState
    instructions: tuple[int, ...]
    """Numbers of those that cover it."""
    shown_by: tuple[str, ...] = ()
    """Ids of tests, or names of checks; the first `SHOWN_BY_MOST` of them."""


def ledger(registry: InstructionRegistry, report: Report | None) -> tuple[LedgerEntry, ...]:
    """The state of every requirement, from what became of the instructions and the report on the files.

    Args:
        report: On the store as it stands; None shows nothing.
    """
    completed = {
        step.number
        for step, end in zip(registry.program.instructions, registry.ends, strict=False)
        if end is InstructionEnd.COMPLETED
    }
    evidence = {step.number: _evidence(step, report) for step in registry.program.instructions}
    entries = []
    for requirement in registry.program.requirements:
        covering = tuple(
            step.number for step in registry.program.instructions if requirement.number in step.requirements
        )
        state = RequirementState.OPEN
        shown_by: tuple[str, ...] = ()
        if covering and completed.issuperset(covering):
            found = [evidence[number] for number in covering]
            # One instruction without a check of its own leaves the requirement unshown.
            shown = all(found)
            state = RequirementState.SHOWN if shown else RequirementState.BUILT
            shown_by = tuple(dict.fromkeys(name for names in found for name in names)) if shown else ()
        entries.append(
            LedgerEntry(requirement.number, requirement.text, state, covering, shown_by[:SHOWN_BY_MOST])
        )
    return tuple(entries)


def in_short(entries: Iterable[LedgerEntry]) -> dict[str, list[int]]:
    """Numbers of requirements by their state, for journal and progress."""
    short: dict[str, list[int]] = {state.value: [] for state in RequirementState}
    for entry in entries:
        short[entry.state.value].append(entry.number)
    return short


def _evidence(step: Instruction, report: Report | None) -> tuple[str, ...]:
    """Checks that speak for an instruction; () when there is none, or one of them did not pass.

    Tests and checks that its `check` names; without any, the tests in its files. What a session told before
    it was broken off speaks for nothing.
    """
    if report is None:
        return ()
    told = [result for result in report.results if result.verdict is not Verdict.BROKEN_OFF]
    tests = [test for result in told for test in result.tests]
    named = {name.strip(".") for name in _NAME.findall(step.check)}
    chosen = [test for test in tests if _is_named(test, named)]
    checks = [result for result in report.results if result.check in named and not result.tests]
    if not chosen and not checks:
        chosen = [test for test in tests if test.id.split("::", 1)[0] in step.files]
    if not chosen and not checks and any("test" in path.rsplit("/", 1)[-1] for path in step.files):
        # Some checks count their tests without naming them.
        counted = [result for result in told if result.counts_tests and not result.tests]
        return tuple(result.check for result in counted if result.verdict is Verdict.PASSED)
    if not all(test.outcome == "passed" for test in chosen):
        return ()
    if not all(result.verdict is Verdict.PASSED for result in checks):
        return ()
    return (*(test.id for test in chosen), *(result.check for result in checks))


def _is_named(test: JudgedTest, names: set[str]) -> bool:
    path, _, function = test.id.partition("::")
    bare = test.id.split("[", 1)[0]
    return bool(names & {test.id, bare, path, function, bare.rpartition("::")[2]})
