"""A turn: one reply of the processor, and the actions in it. Source: Algorithm 1, lines 3 and 4."""

from __future__ import annotations

from dataclasses import replace

from lmac.control_unit import revising
from lmac.control_unit.machine import Machine
from lmac.control_unit.observing import not_carried_out, observe
from lmac.conversation import BudgetRefused
from lmac.errors import ContextOverflow, ModelError
from lmac.messages import Action, Finish, Reply
from lmac.processor.actions import Parsed
from lmac.tools import EvaluationRequested, FinishRequested, RetiredTest, RevisionRequested, ToolResult


def ask(machine: Machine) -> None:
    """One reply."""
    reply = _reply(machine)
    if reply is not None:
        whole = _with_rest(machine, reply)
        _take(machine, whole, _parsed(machine, whole))


def sample(machine: Machine) -> None:
    """One reply; if it writes and is not green, the best of several."""
    reply = _reply(machine)
    if reply is None:
        return
    panel = machine.equipment.panel
    taken = panel.candidate(_with_rest(machine, reply), machine.offered)
    if taken.overlay:
        taken, machine.chosen = panel.best_of(taken, machine.offered, machine.sampling(), machine.due)
        machine.state = replace(machine.state, first_write=False)
    _take(machine, taken.reply, taken.parsed)


def carry_out_action(machine: Machine) -> None:
    """The first pending action; when it fails, what the same reply asked for after it is left."""
    action, *rest = machine.state.pending
    result = machine.offered.carry_out(action, machine.workspace)
    if isinstance(result.effect, RevisionRequested):
        result = revising.revise(machine, result.effect.revision)
    _observe(machine, action, result, action.call_id)
    if not machine.state.window_open:
        # The program changed beneath the current instruction: what else was asked for was meant for that.
        return
    if not result.ok and result.stops:
        for left in rest:
            _observe(machine, left, not_carried_out(left), left.call_id)
        rest = []
    if isinstance(result.effect, RetiredTest):
        _retire(machine, result.effect)
    state = machine.state
    digest = machine.workspace.store.digest()
    changed = digest != state.store_digest
    machine.state = replace(
        state,
        pending=tuple(rest),
        store_digest=digest,
        missing_files=machine.missing_files() if changed else state.missing_files,
        watch=state.watch.acted(action.name, action.arguments, result.text, digest),
        finish_requested=state.finish_requested or isinstance(result.effect, FinishRequested),
        evaluation_requested=state.evaluation_requested or isinstance(result.effect, EvaluationRequested),
    )


def _reply(machine: Machine) -> Reply | None:
    """One call; None when the server calls it too long."""
    conversation = machine.conversation
    if machine.state.turns and not conversation.has_notice:
        conversation.notice(machine.briefing.reminder(machine.registry, machine.report_at_hand))
    _temper(machine)
    machine.state = replace(machine.state, turns=machine.state.turns + 1)
    try:
        return conversation.ask(machine.turn_sampling())
    except ContextOverflow:
        machine.state = replace(machine.state, window_overflows=True)
        return None


def _with_rest(machine: Machine, reply: Reply) -> Reply:
    """The reply; if it was cut within a file, with the rest that one more turn brings."""
    is_cut = reply.finish is Finish.LENGTH and _parsed(machine, reply).cut is not None
    if not is_cut or machine.state.turns >= machine.limits.turns:
        return reply
    try:
        whole = machine.conversation.go_on(machine.turn_sampling())
    except (BudgetRefused, ModelError):
        # What came whole is carried out before the same stands in the way of the next call.
        return reply
    machine.state = replace(machine.state, turns=machine.state.turns + 1)
    return whole or reply


def _parsed(machine: Machine, reply: Reply) -> Parsed:
    return machine.equipment.protocol.parse(reply, machine.offered.forms())


def _temper(machine: Machine) -> None:
    """Warmer while turns bring nothing new, cooler afterwards."""
    watch = machine.state.watch
    tempered = watch.tempered()
    if tempered.heat != watch.heat:
        machine.journal.append(
            "stuck" if watch.signs else "unstuck",
            reason="; ".join(sign.value for sign in watch.signs),
            turns=watch.stalled,
            heat=tempered.heat,
        )
    machine.state = replace(machine.state, watch=tempered)


def _take(machine: Machine, reply: Reply, parsed: Parsed) -> None:
    for fault in parsed.faults:
        _observe(machine, None, ToolResult(fault.text, ok=False), fault.call_id)
    malformed = bool(parsed.faults) and not parsed.actions and parsed.cut is None
    state = machine.state
    machine.state = replace(
        state,
        pending=parsed.actions,
        finish_requested=False,
        watch=state.watch.replied(reply, state.store_digest),
        format_faults=state.format_faults + 1 if malformed else 0,
        can_step_down=machine.can_step_down,
    )


def _retire(machine: Machine, retired: RetiredTest) -> None:
    machine.journal.append("test_retired", test=retired.test, reason=retired.reason)
    machine.standing_tests = machine.standing_tests.retire(retired.test)
    if machine.state.weakened and machine.state.report is not None:
        left = machine.standing_tests.unjustified(machine.state.report)
        machine.state = replace(machine.state, weakened=left)


def _observe(machine: Machine, action: Action | None, result: ToolResult, call_id: str | None) -> None:
    observe(action, result, call_id, machine.workspace.store, machine.journal, machine.conversation)
