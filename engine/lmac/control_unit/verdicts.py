"""What the files are worth: judged, told to the model, and put back to the best there was."""

from __future__ import annotations

from dataclasses import replace

from lmac.control_unit.machine import Machine
from lmac.control_unit.observing import kept_changes
from lmac.evaluation import Report, journalled
from lmac.evaluation.ranking import Judged, faults, rank
from lmac.transitions import NOTHING_WRITTEN


def evaluate(machine: Machine) -> None:
    """Judge the store as it stands. Source: Algorithm 1, line 5."""
    before, report = machine.state.report, _report(machine)
    machine.journal.append("report", **journalled(report, machine.journal.keep))
    machine.state = replace(machine.state, report=report, evaluation_requested=False)
    if not machine.state.window_open:
        return
    _keep(machine, report)
    if not (report.green and machine.state.finish_requested):
        machine.conversation.notice(machine.briefing.verdict(machine.registry, report, before))


def refuse_finish(machine: Machine, reason: str) -> None:
    """Tell the model why its completion does not count."""
    if not machine.conversation.has_notice:
        # A red report has told the reason already.
        registry, briefing = machine.registry, machine.briefing
        machine.conversation.notice(briefing.finish_refused(registry, reason))
        machine.conversation.notice(briefing.reminder(registry, machine.report_at_hand))
    unchanged = machine.state.unchanged_finish_refused or reason == NOTHING_WRITTEN
    machine.state = replace(machine.state, finish_requested=False, unchanged_finish_refused=unchanged)


def restore(machine: Machine, store_digest: str) -> None:
    """Put back the files of this digest, and the report on them.

    Raises:
        SandboxError, SandboxFailure: the store could not be put back.
    """
    before = machine.state.report
    judged = machine.guard.restore(store_digest)
    machine.journal.append(
        "restored",
        store_digest=store_digest,
        instead_of=machine.workspace.store.digest() if before is None else before.store_digest,
        ranks=[list(rank(report)) for report in (judged.report, before) if report is not None],
        **kept_changes(machine.workspace.store, machine.journal),
    )
    machine.state = replace(
        machine.state,
        store_digest=store_digest,
        report=judged.report,
        missing_files=machine.missing_files(),
    )


def _report(machine: Machine) -> Report:
    """On the store as it stands; a chosen candidate was judged already."""
    chosen, machine.chosen = machine.chosen, None
    if chosen is not None and chosen.store_digest == machine.state.store_digest:
        return chosen
    return machine.workspace.evaluator.evaluate(machine.state.store_digest, due=machine.due)


def _keep(machine: Machine, report: Report) -> None:
    """Note what the report says of the open window; a checkpoint of the files that are the best so far."""
    state = machine.state
    judged, best = Judged(report, len(state.missing_files)), state.best
    if best is None or judged.is_better_than(best):
        best = judged
        machine.guard.keep(judged)
    machine.state = replace(
        state,
        best=best,
        weakened=machine.standing_tests.unjustified(report),
        watch=state.watch.judged((*faults(report), *state.missing_files), report.store_digest),
    )
