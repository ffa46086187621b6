"""The control unit: asks `decide` what comes next, does it, journals it. Source: L2MAC, Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import assert_never

from lmac import transitions
from lmac.briefing import Briefing, Setting
from lmac.budget import Scope
from lmac.candidates import Panel
from lmac.conversation import BudgetRefused, Conversation
from lmac.errors import ContextOverflow, FormRefused
from lmac.evaluation import Report, journalled
from lmac.guard import RegressionGuard
from lmac.journal import Journal
from lmac.ledger import LedgerEntry, in_short, ledger
from lmac.messages import Action, Reply, Sampling
from lmac.observing import not_carried_out, observe
from lmac.outline import render_program
from lmac.processor.actions import ActionProtocol, Parsed, ProtocolName, offered_edits
from lmac.program import ProgramForm
from lmac.program_writer import ProgramWriter
from lmac.ranking import Judged, faults, rank
from lmac.registry import InstructionEnd, InstructionRegistry
from lmac.revision import Revision, RevisionRefused, Split
from lmac.standing_tests import StandingTests, Weakened
from lmac.stuck import WARMTH_STEP, Watch
from lmac.tools import (
    EvaluationRequested,
    FinishRequested,
    RetiredTest,
    RevisionRequested,
    Toolbox,
    ToolResult,
    Workspace,
    instruction_toolbox,
    with_justifications,
    without_evaluator,
)
from lmac.transitions import MachineState, Outcome, better_files, decide

REVISING_CONTEXT_TOKENS = 8000
"""In a smaller window the tool that changes the program costs more than it is worth."""
ATTEMPT_WARMTH = 0.2
"""Added to the temperature for every attempt at an instruction that failed."""

Splitter = Callable[[Briefing, Conversation, InstructionRegistry, Sampling], Split | None]
"""Divides the current instruction into smaller ones; None when it cannot."""


class ControlUnit:
    """Drives one run from its task to its outcome.

    Args:
        weakened: What makes tests evidence; without it they are only run.
        split: What divides an instruction that its attempts did not complete; without it that is given up.
    """

    def __init__(
        self,
        setting: Setting,
        conversation: Conversation,
        protocol: ActionProtocol,
        workspace: Workspace,
        journal: Journal,
        lower: Sequence[ActionProtocol] = (),
        weakened: Weakened | None = None,
        split: Splitter | None = None,
    ) -> None:
        self._setting = setting
        self._conversation = conversation
        self._protocol = protocol
        self._workspace = workspace
        self._journal = journal
        self._briefing = Briefing(setting, protocol, workspace.store, workspace.outlines)
        self._writer = ProgramWriter(setting, conversation, protocol, journal, self._sampling)
        self._toolbox = _toolbox(setting, protocol)
        self._lower = list(lower)
        self._noted: tuple[InstructionRegistry | None, Report | None] = (None, None)
        self._entries: tuple[LedgerEntry, ...] = ()
        self._guard = RegressionGuard(workspace.store)
        self._panel = Panel(setting, conversation, protocol, workspace, journal)
        self._standing_tests = StandingTests(weakened)
        self._split = split
        self._chosen: Report | None = None
        self._offered = self._toolbox
        self._forms = self._offered.forms()
        digest = workspace.store.digest()
        self.state = MachineState(store_digest=digest, opening_digest=digest)
        self.state = replace(self.state, can_step_down=self._can_step_down)

    def run(self) -> Outcome:
        """Go on until the machine halts.

        Raises:
            ModelError: the processor gave no usable reply, its own retries included.
            SandboxFailure: the sandbox failed, its own retry included.
        """
        self.state = self._writer.begin(self.state)
        while True:
            self._note_requirements()
            decision = decide(self.state, self._setting.limits)
            if isinstance(decision, transitions.Ask | transitions.Sample) and self._conversation.overflows():
                # What is to be sent is measured once a call, not once a decision.
                self.state = replace(self.state, window_overflows=True)
                continue
            self._journal.append("decision", what=type(decision).__name__, **asdict(decision))
            if isinstance(decision, transitions.Halt):
                return decision.outcome
            try:
                self._carry_out(decision)
            except BudgetRefused as refusal:
                self.state = replace(self.state, budget_spent=refusal.spent, budget_scope=refusal.scope)
            except FormRefused:
                if not self._can_step_down:
                    raise
                self.state = replace(self.state, form_refused=True)

    def deliver_best(self) -> None:
        """Put back the best files of the current instruction, when something ended the run in its midst.

        Raises:
            SandboxError, SandboxFailure: the store could not be put back.
        """
        digest = better_files(replace(self.state, store_digest=self._workspace.store.digest()))
        if digest is not None:
            self._restore(digest)

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
            case transitions.Sample():
                self._sample()
            case transitions.CarryOut():
                self._carry_out_action()
            case transitions.Evaluate():
                self._evaluate()
            case transitions.RefuseFinish(reason):
                self._refuse_finish(reason)
            case transitions.Advance(end, reason):
                self._advance(end, reason)
            case transitions.Restart(reason):
                self._restart(reason)
            case transitions.StepDown(reason):
                self._step_down(reason)
            case transitions.Restore(store_digest):
                self._restore(store_digest)
            case transitions.AskForSplit(reason):
                self._ask_for_split(reason)
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
        missing = self._workspace.store.missing(registry.current.files)
        if registry.attempts == 0:
            if self._is_last and registry.counter and self._workspace.evaluator.asks_more_of_the_whole:
                # The report at hand says what an earlier instruction owed.
                self._evaluate()
            self._begin_instruction(missing)
        tools = with_justifications(self._toolbox) if self._standing_tests.stands else self._toolbox
        self._forms = tools.forms()
        self._offered = tools
        self._conversation.open(self._briefing.instruction_window(registry, self._forms, self.report_at_hand))
        self.state = replace(
            self.state,
            window_open=True,
            turns=0,
            watch=Watch(),
            window_overflows=False,
            missing_files=missing,
        )
        self._journal.append("window", instruction=registry.counter, attempt=registry.attempts)

    def _begin_instruction(self, missing: tuple[str, ...]) -> None:
        report = self.report_at_hand
        self._conversation.begin_instruction()
        self._guard.forget()
        self.state = replace(
            self.state,
            opening_digest=self.state.store_digest,
            opening=Judged(report, len(missing)) if report is not None else None,
            best=None,
            first_write=self._setting.candidates > 1 and self._setting.limits.evaluator,
            may_split=self._may_split,
        )
        if self.state.opening is not None:
            self._guard.keep(self.state.opening)

    @property
    def _may_split(self) -> bool:
        """A machine without a program has none to revise."""
        limits = self._setting.limits
        revisable = limits.program_tries > 0 and self._registry.revisions < limits.revisions
        return self._split is not None and revisable

    # Turns

    def _ask(self) -> None:
        reply = self._reply()
        if reply is not None:
            self._take_reply(reply, self._protocol.parse(reply, self._forms))

    def _sample(self) -> None:
        """One reply; if it writes and is not green, the best of several."""
        reply = self._reply()
        if reply is None:
            return
        taken = self._panel.candidate(reply, self._offered)
        if taken.overlay:
            taken, self._chosen = self._panel.best_of(taken, self._offered, self._sampling(), self._is_last)
            self.state = replace(self.state, first_write=False)
        self._take_reply(taken.reply, taken.parsed)

    def _reply(self) -> Reply | None:
        """One call; None when the server calls it too long."""
        if self.state.turns and not self._conversation.has_notice:
            self._conversation.notice(self._briefing.reminder(self._registry, self.report_at_hand))
        self._temper()
        self.state = replace(self.state, turns=self.state.turns + 1)
        try:
            return self._conversation.ask(self._sampling())
        except ContextOverflow:
            self.state = replace(self.state, window_overflows=True)
            return None

    def _temper(self) -> None:
        watch = self.state.watch
        tempered = watch.tempered()
        if tempered.heat != watch.heat:
            self._journal.append(
                "stuck" if watch.signs else "unstuck",
                reason="; ".join(sign.value for sign in watch.signs),
                turns=watch.stalled,
                heat=tempered.heat,
            )
        self.state = replace(self.state, watch=tempered)

    def _take_reply(self, reply: Reply, parsed: Parsed) -> None:
        for fault in parsed.faults:
            self._observe(None, ToolResult(fault.text, ok=False), fault.call_id)
        malformed = bool(parsed.faults) and not parsed.actions and parsed.cut is None
        self.state = replace(
            self.state,
            pending=parsed.actions,
            finish_requested=False,
            watch=self.state.watch.replied(reply, self.state.store_digest),
            format_faults=self.state.format_faults + 1 if malformed else 0,
            can_step_down=self._can_step_down,
        )

    def _carry_out_action(self) -> None:
        action, *rest = self.state.pending
        result = self._offered.carry_out(action, self._workspace)
        if isinstance(result.effect, RevisionRequested):
            result = self._revise(result.effect.revision)
        self._observe(action, result, action.call_id)
        if not self.state.window_open:
            # The program changed beneath the current instruction: what else was asked for was meant for that.
            return
        if not result.ok and result.stops:
            for left in rest:
                self._observe(left, not_carried_out(left), left.call_id)
            rest = []
        if isinstance(result.effect, RetiredTest):
            self._retire(result.effect)
        digest = self._workspace.store.digest()
        changed = digest != self.state.store_digest
        missing = self.state.missing_files
        self.state = replace(
            self.state,
            pending=tuple(rest),
            store_digest=digest,
            missing_files=self._workspace.store.missing(self._registry.current.files) if changed else missing,
            watch=self.state.watch.acted(action.name, action.arguments, result.text, digest),
            finish_requested=self.state.finish_requested or isinstance(result.effect, FinishRequested),
            evaluation_requested=self.state.evaluation_requested
            or isinstance(result.effect, EvaluationRequested),
        )

    def _retire(self, retired: RetiredTest) -> None:
        self._journal.append("test_retired", test=retired.test, reason=retired.reason)
        self._standing_tests = self._standing_tests.retire(retired.test)
        left = tuple(test for test in self.state.weakened if not self._standing_tests.is_justified(test))
        self.state = replace(self.state, weakened=left)

    def _observe(self, action: Action | None, result: ToolResult, call_id: str | None) -> None:
        observe(action, result, call_id, self._workspace.store, self._journal, self._conversation)

    def _evaluate(self) -> None:
        report = self._report()
        self._journal.append("report", **journalled(report))
        self.state = replace(self.state, report=report, evaluation_requested=False)
        if not self.state.window_open:
            return
        missing = self.state.missing_files
        judged = Judged(report, len(missing))
        best = self.state.best
        if best is None or judged.rank < best.rank:
            best = judged
            self._guard.keep(judged)
        self.state = replace(
            self.state,
            best=best,
            weakened=self._standing_tests.unjustified(report),
            watch=self.state.watch.judged((*faults(report), *missing), report.store_digest),
        )
        if not (report.green and self.state.finish_requested):
            self._conversation.notice(self._briefing.verdict(self._registry, report))

    def _report(self) -> Report:
        """On the store as it stands; a chosen candidate was judged already."""
        chosen, self._chosen = self._chosen, None
        if chosen is not None and chosen.store_digest == self.state.store_digest:
            return chosen
        return self._workspace.evaluator.evaluate(self.state.store_digest, whole=self._is_last)

    @property
    def _is_last(self) -> bool:
        """Whether all that the task asks for has to be there."""
        registry = self._registry
        return registry.counter + 1 >= len(registry.program.instructions)

    def _refuse_finish(self, reason: str) -> None:
        if not self._conversation.has_notice:
            # A red report has told the reason already.
            self._conversation.notice(self._briefing.finish_refused(self._registry, reason))
            self._conversation.notice(self._briefing.reminder(self._registry, self.report_at_hand))
        unchanged = self.state.unchanged_finish_refused or reason == transitions.NOTHING_WRITTEN
        self.state = replace(self.state, finish_requested=False, unchanged_finish_refused=unchanged)

    # The form of actions

    @property
    def _can_step_down(self) -> bool:
        """A program can always be asked for as a numbered list."""
        asks_for_program = self.state.registry is None
        return bool(self._lower) or (
            asks_for_program and self._setting.program_form is not ProgramForm.NUMBERED
        )

    def _step_down(self, reason: str) -> None:
        """Take the next form, and put a fresh window in it before whatever is under way."""
        before = self._protocol.name
        if self._lower and (self.state.registry is not None or before is not ProtocolName.FENCED):
            self._protocol = self._lower.pop(0)
            self._conversation.speak(self._protocol)
        form = ProgramForm.NUMBERED
        if self._protocol.name is ProtocolName.JSON and before is not ProtocolName.JSON:
            form = ProgramForm.SCHEMA
        self._setting = setting = replace(self._setting, program_form=form)
        workspace = self._workspace
        self._briefing = Briefing(setting, self._protocol, workspace.store, workspace.outlines)
        self._panel = Panel(setting, self._conversation, self._protocol, workspace, self._journal)
        self._writer = ProgramWriter(
            setting, self._conversation, self._protocol, self._journal, self._sampling
        )
        self._toolbox = _toolbox(setting, self._protocol)
        self._journal.append(
            "protocol_stepped_down",
            reason=reason,
            before=before.value,
            after=self._protocol.name.value,
            program_form=form.value,
        )
        opening = self.state.opening_digest
        self.state = replace(
            self.state,
            format_faults=0,
            form_refused=False,
            program_tries=0,
            requirement_tries=0,
            # Only a form with parts of its own is asked for them.
            requirements_wanted=self.state.requirements_wanted and form.is_whole,
            can_step_down=self._can_step_down,
        )
        if self.state.registry is not None:
            self._open_window()
            # The instruction began with the window before.
            self.state = replace(self.state, opening_digest=opening)

    # Ends of instructions

    def _advance(self, end: InstructionEnd, reason: str) -> None:
        last = self._registry.counter + 1 == len(self._registry.program.instructions)
        summary = "" if last else self._summary(end)
        self._journal.append(
            "instruction_end",
            instruction=self._registry.counter,
            end=end.value,
            reason=reason,
            summary=summary,
        )
        if end is InstructionEnd.COMPLETED:
            self._standing_tests = self._standing_tests.closed(self.report_at_hand)
        self._leave(self._registry.advance(end, summary))

    def _restart(self, reason: str) -> None:
        progress = self._summary(None)
        self._journal.append("restart", instruction=self._registry.counter, reason=reason, progress=progress)
        self._leave(self._registry.restart(progress))

    def _restore(self, store_digest: str) -> None:
        before = self.state.report
        judged = self._guard.restore(store_digest)
        self._journal.append(
            "restored",
            store_digest=store_digest,
            instead_of=self._workspace.store.digest() if before is None else before.store_digest,
            ranks=[list(rank(report)) for report in (judged.report, before) if report is not None],
        )
        self.state = replace(
            self.state,
            store_digest=store_digest,
            report=judged.report,
            missing_files=self._workspace.store.missing(self._registry.current.files),
        )

    def _ask_for_split(self, reason: str) -> None:
        assert self._split is not None, "decide() asks for a split only where there is one"
        self._journal.append("split_asked", instruction=self._registry.counter, reason=reason)
        self.state = replace(self.state, may_split=False)
        try:
            split = self._split(self._briefing, self._conversation, self._registry, self._sampling())
        except ContextOverflow:
            return
        if split is not None:
            self._revise(split)

    def _leave(self, registry: InstructionRegistry) -> None:
        self.state = replace(
            self.state,
            registry=registry,
            window_open=False,
            window_overflows=False,
            finish_requested=False,
            unchanged_finish_refused=False,
            budget_spent=None if self.state.budget_scope is Scope.INSTRUCTION else self.state.budget_spent,
            weakened=(),
        )

    def _summary(self, end: InstructionEnd | None) -> str:
        """The processor's own words; the listing without them, or if no call fits window or budget."""
        if not self._setting.limits.summaries:
            return self._workspace.store.listing()
        text = self._briefing.summary_question(self._registry, end)
        sampling = replace(self._sampling(), reply_tokens=self._setting.summary_tokens)
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

    def _sampling(self, attempt: int | None = None) -> Sampling:
        """Each attempt is warmer and has a seed of its own: the same words would end the same way.

        Within an attempt the temperature rises while turns bring nothing new, up to 1.0, and goes back.
        Source: L2MAC, appendix.
        """
        sampling = self._setting.sampling
        number = self._registry.attempts if attempt is None else attempt
        warmth = ATTEMPT_WARMTH * number + WARMTH_STEP * self.state.watch.heat
        return replace(
            sampling,
            temperature=max(sampling.temperature, min(round(sampling.temperature + warmth, 3), 1.0)),
            seed=None if sampling.seed is None else sampling.seed + number,
        )


def _toolbox(setting: Setting, protocol: ActionProtocol) -> Toolbox:
    """What the model may do in this form of actions."""
    tools = instruction_toolbox(_is_revisable(setting), offered_edits(setting.edits, protocol.name))
    return tools if setting.limits.evaluator else without_evaluator(tools)


def _is_revisable(setting: Setting) -> bool:
    """Whether the model itself may change the program."""
    room = setting.context_tokens >= REVISING_CONTEXT_TOKENS
    return room and setting.program_form is ProgramForm.TOOL and setting.limits.revisions > 0
