"""One call without the machine: the baseline that the machine is compared to."""

from __future__ import annotations

from dataclasses import replace

from lmac.context import ContextWindow
from lmac.control_unit import Setting, journalled
from lmac.conversation import BudgetRefused, Conversation
from lmac.evaluation import Report
from lmac.journal import Journal
from lmac.messages import Message, Role
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

    The reply may use up to half of the window, since there is no second one.

    Raises:
        ModelError: the processor gave no usable reply.
        SandboxFailure: the sandbox failed.
    """
    toolbox = instruction_toolbox()
    forms = toolbox.forms()
    sampling = replace(setting.sampling, reply_tokens=setting.context_tokens // 2)
    system = setting.prompts.render("programmer", manual=protocol.manual(forms))
    user = setting.prompts.render("single", task=setting.task.text)
    conversation.open(
        ContextWindow(
            prefix=(Message(Role.SYSTEM, system), Message(Role.USER, user)),
            limit_tokens=setting.context_tokens,
            reply_tokens=sampling.reply_tokens,
            tools=protocol.specs(forms),
        )
    )
    try:
        reply = conversation.ask(sampling)
    except BudgetRefused:
        return Outcome.BUDGET_SPENT, None
    for action in protocol.parse(reply, forms).actions:
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
