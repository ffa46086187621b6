"""What the machine is compared to: one call, and a plain edit-and-run loop."""

from __future__ import annotations

from dataclasses import replace

from lmac.briefing import Briefing, Setting
from lmac.control_unit.observing import kept_changes, not_carried_out, observe
from lmac.conversation import BudgetRefused, Conversation
from lmac.errors import ContextOverflow
from lmac.evaluation import Report, journalled
from lmac.journal import Journal
from lmac.messages import Action, Reply
from lmac.processor.actions import ActionProtocol, offered_edits
from lmac.program import Instruction, Program
from lmac.program.registry import InstructionRegistry
from lmac.tools import FinishRequested, Toolbox, ToolResult, Workspace, instruction_toolbox
from lmac.transitions import Outcome


def run_single_shot(
    setting: Setting,
    conversation: Conversation,
    protocol: ActionProtocol,
    workspace: Workspace,
    journal: Journal,
) -> tuple[Outcome, Report | None]:
    """Ask once for everything, write what came, judge it.

    Raises:
        ModelError: the processor gave no usable reply.
        SandboxFailure: the sandbox failed.
    """
    toolbox = instruction_toolbox()
    forms = toolbox.forms()
    window = Briefing(setting, protocol, workspace.store).single_window(forms)
    conversation.open(window)
    sampling = replace(setting.sampling, reply_tokens=window.reply_tokens)
    try:
        reply = conversation.ask(sampling)
    except BudgetRefused:
        return Outcome.BUDGET_SPENT, None
    parsed = protocol.parse(reply, forms)
    for fault in parsed.faults:
        journal.append("observation", action=None, arguments={}, ok=False, text=journal.keep(fault.text))
    for action in parsed.actions:
        if action.name == "write":
            result = toolbox.carry_out(action, workspace)
            journal.append(
                "observation",
                action=action.name,
                arguments={"path": action.arguments.get("path")},
                ok=result.ok,
                text=journal.keep(result.text),
                store_digest=workspace.store.digest(),
                **kept_changes(workspace.store, journal),
            )
    report = workspace.evaluator.evaluate(workspace.store.digest())
    journal.append("report", **journalled(report, journal.keep))
    return (Outcome.COMPLETED if report.green else Outcome.CHECKS_FAILED), report


def run_loop(
    setting: Setting,
    conversation: Conversation,
    protocol: ActionProtocol,
    workspace: Workspace,
    journal: Journal,
) -> tuple[Outcome, Report | None]:
    """Write, run all checks, read what they say, and again, in one window until green and done.

    No program, no summaries, no snapshots, no second window: the oldest turns are dropped when it is full.
    As many turns as the machine could have in all its windows.

    Raises:
        ModelError: the processor gave no usable reply.
        SandboxFailure: the sandbox failed.
    """
    loop = _Loop(setting, conversation, protocol, workspace, journal)
    return loop.run(), loop.report


class _Loop:
    """One window, and the last report."""

    def __init__(
        self,
        setting: Setting,
        conversation: Conversation,
        protocol: ActionProtocol,
        workspace: Workspace,
        journal: Journal,
    ) -> None:
        self._setting = setting
        self._conversation = conversation
        self._protocol = protocol
        self._workspace = workspace
        self._journal = journal
        self._briefing = Briefing(setting, protocol, workspace.store)
        self._toolbox: Toolbox = instruction_toolbox(edits=offered_edits(setting.edits, protocol.name))
        # Its notices are those of the machine, which speak of one step.
        self._step = InstructionRegistry(Program((Instruction(setting.task.text),)))
        self.report: Report | None = None

    def run(self) -> Outcome:
        window = self._briefing.single_window(self._toolbox.forms())
        self._conversation.open(replace(window, reply_tokens=self._setting.sampling.reply_tokens))
        limits = self._setting.limits
        try:
            for turn in range(limits.turns * limits.attempts * self._setting.most_instructions):
                if self._turn(turn):
                    return Outcome.COMPLETED
        except BudgetRefused:
            self._judge()
            return Outcome.BUDGET_SPENT
        except ContextOverflow:
            self._judge()
            return Outcome.WINDOW_TOO_SMALL
        self._judge()
        return Outcome.COMPLETED if self.report and self.report.green else Outcome.CHECKS_FAILED

    def _turn(self, number: int) -> bool:
        """One reply carried out and judged; whether it says that it is done, on green checks."""
        if number and not self._conversation.has_notice:
            self._conversation.notice(self._briefing.reminder(self._step, self.report))
        self._conversation.forget_oldest()
        reply = self._conversation.ask(self._setting.sampling)
        finished = self._carry_out(reply)
        judged_before = self.report
        report = self._judge()
        if finished and report.green:
            return True
        if report is not judged_before:
            self._conversation.notice(self._briefing.verdict(self._step, report))
        return False

    def _carry_out(self, reply: Reply) -> bool:
        """Do what the reply asks for; whether it calls the task done."""
        parsed = self._protocol.parse(reply, self._toolbox.forms())
        for fault in parsed.faults:
            self._observe(None, ToolResult(fault.text, ok=False), fault.call_id)
        finished, going_on = False, True
        for action in parsed.actions:
            result = self._toolbox.carry_out(action, self._workspace) if going_on else not_carried_out(action)
            self._observe(action, result, action.call_id)
            going_on = going_on and (result.ok or not result.stops)
            finished = finished or isinstance(result.effect, FinishRequested)
        return finished

    def _observe(self, action: Action | None, result: ToolResult, call_id: str | None) -> None:
        observe(action, result, call_id, self._workspace.store, self._journal, self._conversation)

    def _judge(self) -> Report:
        """The report on the files as they are; the last one when they are as they were."""
        digest = self._workspace.store.digest()
        if self.report is None or self.report.store_digest != digest:
            self.report = self._workspace.evaluator.evaluate(digest)
            self._journal.append("report", **journalled(self.report, self._journal.keep))
        return self.report
