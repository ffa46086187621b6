"""The control unit: asks `decide` what comes next, does it, journals it. Source: L2MAC, Algorithm 1."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import assert_never

from lmac import transitions
from lmac.briefing import Briefing, Setting
from lmac.conversation import BudgetRefused, Conversation
from lmac.errors import ContextOverflow
from lmac.evaluation import Report, journalled
from lmac.journal import Journal
from lmac.ledger import LedgerEntry, in_short, ledger
from lmac.messages import Action, Observation, Sampling
from lmac.outline import render_program
from lmac.processor.actions import ActionProtocol
from lmac.program import ProgramForm
from lmac.program_writer import ProgramWriter
from lmac.registry import InstructionEnd, InstructionRegistry
from lmac.revision import Revision, RevisionRefused
from lmac.tools import (
    EvaluationRequested,
    FinishRequested,
    RevisionRequested,
    ToolResult,
    Workspace,
    instruction_toolbox,
)
from lmac.transitions import MachineState, Outcome, decide

SUMMARY_TOKENS = 200
REVISING_CONTEXT_TOKENS = 8000
"""In a smaller window the tool that changes the program costs more than it is worth."""
ATTEMPT_WARMTH = 0.2
"""Added to the temperature for every attempt at an instruction that failed."""


class ControlUnit:
    """Drives one run from its task to its outcome."""

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
        self._briefing = Briefing(setting, protocol, workspace.store, workspace.outlines)
        self._writer = ProgramWriter(setting, conversation, protocol, journal, self._sampling)
        self._toolbox = instruction_toolbox(_is_revisable(setting))
        self._noted: tuple[InstructionRegistry | None, Report | None] = (None, None)
        self._entries: tuple[LedgerEntry, ...] = ()
        digest = workspace.store.digest()
        self._last_said: object = None
        self.state = MachineState(store_digest=digest, opening_digest=digest)

    def run(self) -> Outcome:
        """Go on until the machine halts.

        Raises:
            ModelError: the processor gave no usable reply, its own retries included.
            SandboxFailure: the sandbox failed, its own retry included.
        """
        self.state = self._writer.begin(self.state)
        while True:
            self._note_requirements()
            overflows = self.state.window_open and self._conversation.overflows()
            self.state = replace(self.state, window_overflows=self.state.window_overflows or overflows)
            decision = decide(self.state, self._setting.limits)
            self._journal.append("decision", what=type(decision).__name__, **asdict(decision))
            if isinstance(decision, transitions.Halt):
                return decision.outcome
            try:
                self._carry_out(decision)
            except BudgetRefused as refusal:
                self.state = replace(self.state, budget_spent=refusal.spent)

    def _carry_out(self, decision: transitions.Decision) -> None:
        match decision:
            case transitions.AskForRequirements():
                self.state = self._writer.ask_for_requirements(self.state)
            case transitions.AskForProgram():
                self.state = self._writer.ask_for_program(self.state)
            case transitions.Reflect():
                self.state = self._writer.reflect(self.state)
            case transitions.AssumeProgram():
                self.state = self._writer.assume_program(self.state)
            case transitions.OpenWindow():
                self._open_window()
            case transitions.Ask():
                self._ask()
            case transitions.CarryOut():
                self._carry_out_action()
            case transitions.Evaluate():
                self._evaluate()
            case transitions.RefuseFinish(reason):
                self._refuse_finish(reason)
            case transitions.Advance(end):
                self._advance(end)
            case transitions.Restart(reason):
                self._restart(reason)
            case transitions.Halt():
                raise AssertionError("the loop ends before it carries out a halt")
            case _:
                assert_never(decision)

    # The program

    def _revise(self, revision: Revision) -> ToolResult:
        """Change the program if that keeps its rules, and journal the change with its reason."""
        registry, most = self._registry, self._setting.limits.revisions
        if registry.revisions >= most:
            return ToolResult(f"The program was not changed: it was revised {most} times already.", ok=False)
        try:
            revised = registry.revised(revision)
        except RevisionRefused as refusal:
            self._journal.append("revision_refused", reason=revision.reason, fault=str(refusal))
            return ToolResult(f"The program was not changed: {refusal}.", ok=False)
        self._journal.append(
            "program_revised",
            change=type(revision).__name__.lower(),
            reason=revision.reason,
            revision=asdict(revision),
            instructions=[asdict(step) for step in revised.program.instructions],
        )
        if not revised.finished and revised.number == registry.number:
            self.state = replace(self.state, registry=revised)
        else:
            self._leave(revised)
            self.state = replace(self.state, pending=())
        return ToolResult(f"The program was changed:\n{render_program(revised)}")

    def _note_requirements(self) -> None:
        """Journal the requirement ledger whenever it changed."""
        registry, report = self.state.registry, self.state.report
        if registry is None or (registry is self._noted[0] and report is self._noted[1]):
            return
        self._noted = (registry, report)
        entries = ledger(registry, self.report_at_hand)
        if entries != self._entries:
            self._entries = entries
            shown = {entry.number: entry.shown_by for entry in entries if entry.shown_by}
            self._journal.append("ledger", **in_short(entries), shown_by=shown)

    # Windows

    def _open_window(self) -> None:
        registry = self._registry
        is_last = registry.counter + 1 == len(registry.program.instructions)
        if self._workspace.evaluator.demand_whole(is_last):
            # It says what an earlier instruction owed.
            self.state = replace(self.state, report=None)
        window = self._briefing.instruction_window(registry, self._toolbox.forms(), self.report_at_hand)
        self._conversation.open(window)
        self._last_said = None
        opening = self.state.store_digest if registry.attempts == 0 else self.state.opening_digest
        self.state = replace(
            self.state,
            window_open=True,
            turns=0,
            repeats=0,
            window_overflows=False,
            opening_digest=opening,
            missing_files=self._workspace.store.missing(registry.current.files),
        )
        self._journal.append("window", instruction=registry.counter, attempt=registry.attempts)

    # Turns

    def _ask(self) -> None:
        if self.state.turns and not self._conversation.has_notice:
            self._conversation.notice(self._briefing.reminder(self._registry, self.report_at_hand))
        sampling = self._sampling(self._registry.attempts)
        self.state = replace(self.state, turns=self.state.turns + 1)
        try:
            reply = self._conversation.ask(sampling)
        except ContextOverflow:
            self.state = replace(self.state, window_overflows=True)
            return
        said = (reply.text, tuple((call.name, call.arguments_json) for call in reply.calls))
        repeats = self.state.repeats + 1 if said == self._last_said else 0
        self._last_said = said
        parsed = self._protocol.parse(reply, self._toolbox.forms())
        for fault in parsed.faults:
            self._observe(None, ToolResult(fault.text, ok=False), fault.call_id)
        self.state = replace(self.state, pending=parsed.actions, finish_requested=False, repeats=repeats)

    def _carry_out_action(self) -> None:
        action, *rest = self.state.pending
        result = self._toolbox.carry_out(action, self._workspace)
        if isinstance(result.effect, RevisionRequested):
            result = self._revise(result.effect.revision)
        self._observe(action, result, action.call_id)
        if not self.state.window_open:
            # The program changed beneath the current instruction: what else was asked for was meant for that.
            return
        if not result.ok:
            for left in rest:
                stopped = ToolResult(
                    f"{left.name} was not carried out: an action before it failed.", ok=False
                )
                self._observe(left, stopped, left.call_id)
            rest = []
        self.state = replace(
            self.state,
            pending=tuple(rest),
            store_digest=self._workspace.store.digest(),
            missing_files=self._workspace.store.missing(self._registry.current.files),
            finish_requested=self.state.finish_requested or isinstance(result.effect, FinishRequested),
            evaluation_requested=self.state.evaluation_requested
            or isinstance(result.effect, EvaluationRequested),
        )

    def _observe(self, action: Action | None, result: ToolResult, call_id: str | None) -> None:
        self._journal.append(
            "observation",
            action=action.name if action else None,
            arguments=self._kept_arguments(action) if action else {},
            ok=result.ok,
            text=self._journal.keep(result.text),
            store_digest=self._workspace.store.digest(),
        )
        self._conversation.hear(Observation(result.text, result.ok, call_id))

    def _kept_arguments(self, action: Action) -> dict[str, object]:
        """Long values by digest: a file's content stands beside the journal, not in it."""
        return {
            name: {"sha256": self._journal.keep(value)}
            if isinstance(value, str) and len(value) > 200
            else value
            for name, value in action.arguments.items()
        }

    def _evaluate(self) -> None:
        report = self._workspace.evaluator.evaluate(self.state.store_digest)
        self._journal.append("report", **journalled(report))
        self.state = replace(self.state, report=report, evaluation_requested=False)
        if not (report.green and self.state.finish_requested):
            self._conversation.notice(self._briefing.verdict(self._registry, report))

    def _refuse_finish(self, reason: str) -> None:
        if not self._conversation.has_notice:
            # A red report has told the reason already.
            self._conversation.notice(self._briefing.finish_refused(self._registry, reason))
            self._conversation.notice(self._briefing.reminder(self._registry, self.report_at_hand))
        unchanged = self.state.unchanged_finish_refused or reason == transitions.NOTHING_WRITTEN
        self.state = replace(self.state, finish_requested=False, unchanged_finish_refused=unchanged)

    # Ends of instructions

    def _advance(self, end: InstructionEnd) -> None:
        last = self._registry.counter + 1 == len(self._registry.program.instructions)
        summary = "" if last else self._summary(end)
        self._journal.append(
            "instruction_end", instruction=self._registry.counter, end=end.value, summary=summary
        )
        self._leave(self._registry.advance(end, summary))

    def _restart(self, reason: str) -> None:
        progress = self._summary(None)
        self._journal.append("restart", instruction=self._registry.counter, reason=reason, progress=progress)
        self._leave(self._registry.restart(progress))

    def _leave(self, registry: InstructionRegistry) -> None:
        self.state = replace(
            self.state,
            registry=registry,
            window_open=False,
            window_overflows=False,
            finish_requested=False,
            unchanged_finish_refused=False,
        )

    def _summary(self, end: InstructionEnd | None) -> str:
        """The processor's own words; the listing if none come, or no call for them fits window or budget."""
        text = self._briefing.summary_question(self._registry, end)
        sampling = replace(self._sampling(self._registry.attempts), reply_tokens=SUMMARY_TOKENS)
        try:
            said = self._conversation.summarize(text, sampling)
        except (ContextOverflow, BudgetRefused):
            said = ""
        return said or self._workspace.store.listing()

    @property
    def report_at_hand(self) -> Report | None:
        """The report on the store as it stands; one on older files is none."""
        report = self.state.report
        return report if report is not None and report.store_digest == self.state.store_digest else None

    @property
    def _registry(self) -> InstructionRegistry:
        assert self.state.registry is not None, "decide() asks for a program before anything else"
        return self.state.registry

    def _sampling(self, attempt: int) -> Sampling:
        """Each attempt is warmer and has a seed of its own: the same words would end the same way.

        Source: L2MAC, appendix (the temperature rises while messages repeat, up to 1.0).
        """
        sampling = self._setting.sampling
        warmer = min(sampling.temperature + ATTEMPT_WARMTH * attempt, 1.0)
        return replace(
            sampling,
            temperature=max(sampling.temperature, warmer),
            seed=None if sampling.seed is None else sampling.seed + attempt,
        )


def _is_revisable(setting: Setting) -> bool:
    """Whether the model itself may change the program."""
    room = setting.context_tokens >= REVISING_CONTEXT_TOKENS
    return room and setting.program_form is ProgramForm.TOOL and setting.limits.revisions > 0
