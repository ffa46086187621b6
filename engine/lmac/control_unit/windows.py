"""A fresh window before an instruction, or before another attempt at it."""

from __future__ import annotations

from dataclasses import replace

from lmac.control_unit import verdicts
from lmac.control_unit.machine import Machine
from lmac.evaluation.ranking import Judged
from lmac.tools import with_justifications, without_files_of
from lmac.transitions.limits import OnGivenUp
from lmac.transitions.stuck import Watch


def open_window(machine: Machine) -> None:
    """Tell the model the instruction, what there is, and what it may do. Source: Algorithm 1, line 2."""
    registry = machine.registry
    missing = machine.missing_files()
    if registry.attempts == 0:
        asks_more = machine.workspace.evaluator.asks_more_of_the_whole
        if machine.due.whole and asks_more and registry.counter and not registry.current.writes_only_tests:
            # The report at hand says what an earlier instruction owed.
            verdicts.evaluate(machine)
        _begin_instruction(machine, missing)
    tools = machine.equipment.toolbox
    tools = with_justifications(tools) if machine.may_retire else tools
    keeps_to_step = machine.equipment.setting.keeps_to_step
    machine.offered = without_files_of(registry.later_files, tools) if keeps_to_step else tools
    window = machine.briefing.instruction_window(registry, machine.offered.forms(), machine.report_at_hand)
    machine.conversation.open(window)
    machine.state = replace(
        machine.state,
        window_open=True,
        turns=0,
        watch=Watch(),
        window_overflows=False,
        missing_files=missing,
    )
    machine.journal.append("window", instruction=registry.counter, attempt=registry.attempts)


def _begin_instruction(machine: Machine, missing: tuple[str, ...]) -> None:
    report = machine.report_at_hand
    opening = Judged(report, len(missing)) if report is not None else None
    registry = machine.registry
    # Whoever stops at an instruction that is given up wants it completed, whatever that takes.
    stops = machine.limits.on_given_up is OnGivenUp.STOP
    machine.conversation.begin_instruction(1.0 if stops else registry.weight)
    machine.guard.forget()
    if opening is not None:
        machine.guard.keep(opening)
    machine.state = replace(
        machine.state,
        opening_digest=machine.state.store_digest,
        opening=opening,
        best=None,
        first_write=machine.equipment.setting.candidates > 1 and machine.limits.evaluator,
        may_split=machine.may_split,
    )
