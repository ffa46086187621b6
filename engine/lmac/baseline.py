"""One call without the machine: the baseline that the machine is compared to."""

from __future__ import annotations

from dataclasses import replace

from lmac.briefing import Briefing, Setting
from lmac.conversation import BudgetRefused, Conversation
from lmac.evaluation import Report, journalled
from lmac.journal import Journal
from lmac.processor.actions import ActionProtocol
from lmac.tools import Workspace, instruction_toolbox
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
            )
    report = workspace.evaluator.evaluate(workspace.store.digest())
    journal.append("report", **journalled(report))
    return (Outcome.COMPLETED if report.green else Outcome.CHECKS_FAILED), report
