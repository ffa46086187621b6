"""The control unit: asks `decide` what comes next, does it, journals it. Source: L2MAC, Algorithm 1."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import assert_never

from lmac import transitions
from lmac.context import ContextWindow
from lmac.conversation import BudgetRefused, Conversation
from lmac.errors import ContextOverflow
from lmac.evaluation import Report
from lmac.journal import Journal
from lmac.messages import Action, Message, Observation, Reply, Role, Sampling
from lmac.processor.actions import ActionProtocol
from lmac.program import (
    Instruction,
    Program,
    ProgramFault,
    ProgramForm,
    Task,
    parse_json_program,
    parse_numbered_program,
    program_schema,
)
from lmac.prompts import Prompts
from lmac.registry import InstructionEnd, InstructionRegistry
from lmac.rendering import render_report, untrusted
from lmac.tools import (
    EvaluationRequested,
    FinishRequested,
    ProgramGiven,
    Toolbox,
    ToolResult,
    Workspace,
    bootstrap_toolbox,
    instruction_toolbox,
)
from lmac.transitions import MachineLimits, MachineState, Outcome, decide

SUMMARY_TOKENS = 200
ATTEMPT_WARMTH = 0.2
"""Added to the temperature for every attempt at an instruction that failed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same for the whole run."""

    task: Task
    prompts: Prompts
    limits: MachineLimits
    most_instructions: int
    context_tokens: int
    sampling: Sampling
    program_form: ProgramForm
    opening_file_characters: int = 6000
    """Room for contents of files in the message that opens an instruction."""
    report_characters: int = 3000


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
        self._bootstrap = bootstrap_toolbox(setting.most_instructions)
        self._toolbox = instruction_toolbox()
        digest = workspace.store.digest()
        self._last_text = ""
        self.state = MachineState(store_digest=digest, opening_digest=digest)

    def run(self) -> Outcome:
        """Go on until the machine halts.

        Raises:
            ModelError: the processor gave no usable reply, its own retries included.
            SandboxFailure: the sandbox failed, its own retry included.
        """
        while True:
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
            case transitions.AskForProgram():
                self._ask_for_program()
            case transitions.AssumeProgram():
                self._take_program(Program((Instruction(self._setting.task.text),)))
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

    def _ask_for_program(self) -> None:
        if self.state.program_tries == 0:
            self._conversation.open(self._bootstrap_window())
        self.state = replace(self.state, program_tries=self.state.program_tries + 1)
        try:
            reply = self._conversation.ask(self._sampling(self.state.program_tries - 1))
        except ContextOverflow:
            self.state = replace(self.state, program_tries=self._setting.limits.program_tries)
            return
        try:
            self._take_program(self._program_of(reply))
        except ProgramFault as fault:
            self._answer_all_calls(reply, str(fault))
            self._journal.append("program_refused", fault=str(fault))
            most = self._setting.most_instructions
            self._conversation.notice(
                self._setting.prompts.render("program_fault", fault=str(fault), most_instructions=most)
            )

    def _program_of(self, reply: Reply) -> Program:
        most = self._setting.most_instructions
        match self._setting.program_form:
            case ProgramForm.NUMBERED:
                return parse_numbered_program(reply.text, most)
            case ProgramForm.JSON:
                return parse_json_program(reply.text, most)
            case ProgramForm.TOOL:
                return self._called_program(reply)

    def _called_program(self, reply: Reply) -> Program:
        parsed = self._protocol.parse(reply, self._bootstrap.forms())
        faults = [fault.text for fault in parsed.faults]
        for action in parsed.actions:
            result = self._bootstrap.carry_out(action, self._workspace)
            if isinstance(result.effect, ProgramGiven):
                return result.effect.program
            faults.append(result.text)
        raise ProgramFault("; ".join(faults) or "the tool `program` was not called")

    def _answer_all_calls(self, reply: Reply, text: str) -> None:
        for call in reply.calls:
            self._conversation.hear(Observation(text, ok=False, call_id=call.call_id))

    def _take_program(self, program: Program) -> None:
        self._journal.append("program", instructions=[asdict(step) for step in program.instructions])
        self.state = replace(self.state, registry=InstructionRegistry(program), window_open=False)

    # Windows

    def _bootstrap_window(self) -> ContextWindow:
        form, most = self._setting.program_form, self._setting.most_instructions
        user = self._setting.prompts.render(
            f"program_{form.value}", task=self._setting.task.text, most_instructions=most
        )
        window = self._window(self._setting.prompts.render("architect"), user, self._bootstrap)
        return replace(window, json_schema=program_schema(most)) if form is ProgramForm.JSON else window

    def _window(self, system: str, user: str, toolbox: Toolbox) -> ContextWindow:
        return ContextWindow(
            prefix=(Message(Role.SYSTEM, system), Message(Role.USER, user)),
            limit_tokens=self._setting.context_tokens,
            reply_tokens=self._setting.sampling.reply_tokens,
            tools=self._protocol.specs(toolbox.forms()),
        )

    def _open_window(self) -> None:
        registry = self._registry
        manual = self._protocol.manual(self._toolbox.forms())
        system = self._setting.prompts.render("programmer", manual=manual)
        user = self._setting.prompts.render(
            "opening",
            task=self._setting.task.text,
            program=render_program(registry),
            summary="\n".join(filter(None, (registry.previous_summary, registry.progress))) or "nothing yet.",
            files=self._opening_files(registry),
            number=registry.counter + 1,
            instruction=registry.current.text,
            how_to_write=self._protocol.how_to_write,
        )
        if registry.attempts and (report := self.report_at_hand) is not None and not report.green:
            user = f"{user}\n\n{self._failed_before(report)}"
        self._last_text = ""
        self._conversation.open(self._window(system, user, self._toolbox))
        opening = self.state.store_digest if registry.attempts == 0 else self.state.opening_digest
        self.state = replace(
            self.state, window_open=True, turns=0, repeats=0, window_overflows=False, opening_digest=opening
        )
        self._journal.append("window", instruction=registry.counter, attempt=registry.attempts)

    def _opening_files(self, registry: InstructionRegistry) -> str:
        """The listing, and the contents of files as far as there is room: first those that the step names.

        After a failed attempt its own files are only listed: a small model copies what it sees, faults too.
        """
        entries = self._workspace.store.entries()
        if not entries:
            return "none yet."
        lines = [f"{entry.path} ({entry.size_bytes} bytes)" for entry in entries]
        room = self._setting.opening_file_characters
        own = registry.current.files
        for entry in sorted(entries, key=lambda entry: (entry.path not in own, entry.path)):
            if entry.size_bytes > room or (registry.attempts and entry.path in own):
                continue
            room -= entry.size_bytes
            content = self._workspace.store.read(entry.path).decode("utf-8", "replace")
            lines.append(f"\n{self._protocol.shown_file(entry.path, content)}")
        return "\n".join(lines)

    # Turns

    def _ask(self) -> None:
        if self.state.turns and not self._conversation.has_notice:
            self._conversation.notice(self._reminder())
        sampling = self._sampling(self._registry.attempts)
        self.state = replace(self.state, turns=self.state.turns + 1)
        try:
            reply = self._conversation.ask(sampling)
        except ContextOverflow:
            self.state = replace(self.state, window_overflows=True)
            return
        repeats = self.state.repeats + 1 if reply.text == self._last_text else 0
        self._last_text = reply.text
        parsed = self._protocol.parse(reply, self._toolbox.forms())
        for fault in parsed.faults:
            self._observe(None, ToolResult(fault.text, ok=False), fault.call_id)
        self.state = replace(self.state, pending=parsed.actions, finish_requested=False, repeats=repeats)

    def _reminder(self) -> str:
        """What the model is told when nothing new was judged."""
        report = self.report_at_hand
        if report is not None and not report.green:
            rendered = untrusted(render_report(report, self._setting.report_characters // 2))
            return self._setting.prompts.render(
                "still_red", report=rendered, how_to_write=self._protocol.how_to_write
            )
        return self._setting.prompts.render("go_on", number=self._registry.counter + 1)

    def _carry_out_action(self) -> None:
        action, *rest = self.state.pending
        result = self._toolbox.carry_out(action, self._workspace)
        self._observe(action, result, action.call_id)
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
            self._conversation.notice(self._verdict(report))

    def _verdict(self, report: Report) -> str:
        """The report as the model is told of it, with the step's files that are still missing."""
        rendered = untrusted(render_report(report, self._setting.report_characters))
        prompts = self._setting.prompts
        if not report.green:
            return prompts.render("red", report=rendered, how_to_write=self._protocol.how_to_write)
        text = prompts.render("green", report=rendered, number=self._registry.counter + 1)
        written = {entry.path for entry in self._workspace.store.entries()}
        missing = [path for path in self._registry.current.files if path not in written]
        return f"{prompts.render('missing_files', files=', '.join(missing))} {text}" if missing else text

    def _failed_before(self, report: Report) -> str:
        rendered = untrusted(render_report(report, self._setting.report_characters // 2))
        return self._setting.prompts.render(
            "again", report=rendered, how_to_write=self._protocol.how_to_write
        )

    def _refuse_finish(self, reason: str) -> None:
        if not self._conversation.has_notice:
            # A red report has told the reason already.
            number = self._registry.counter + 1
            self._conversation.notice(
                self._setting.prompts.render("finish_refused", number=number, reason=reason)
            )
            self._conversation.notice(self._reminder())
        unchanged = self.state.unchanged_finish_refused or reason == transitions.NOTHING_WRITTEN
        self.state = replace(self.state, finish_requested=False, unchanged_finish_refused=unchanged)

    # Ends of instructions

    def _advance(self, end: InstructionEnd) -> None:
        last = self._registry.counter + 1 == len(self._registry.program.instructions)
        question = "completed_summary" if end is InstructionEnd.COMPLETED else "progress_summary"
        summary = "" if last else self._summary(question)
        self._journal.append(
            "instruction_end", instruction=self._registry.counter, end=end.value, summary=summary
        )
        self._leave(self._registry.advance(end, summary))

    def _restart(self, reason: str) -> None:
        progress = self._summary("progress_summary")
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

    def _summary(self, question: str) -> str:
        """The processor's own words; the listing alone when no call for them fits window or budget."""
        text = self._setting.prompts.render(question, number=self._registry.counter + 1)
        sampling = replace(self._sampling(self._registry.attempts), reply_tokens=SUMMARY_TOKENS)
        try:
            return self._conversation.summarize(text, sampling)
        except (ContextOverflow, BudgetRefused):
            return self._workspace.store.listing()

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


def render_program(registry: InstructionRegistry) -> str:
    """The outline with what became of each step."""
    lines = []
    for index, step in enumerate(registry.program.instructions):
        if index < registry.counter:
            mark = f"  [{registry.ends[index].value}]"
        else:
            mark = "  <- current step" if index == registry.counter else ""
        files = f" (files: {', '.join(step.files)})" if step.files else ""
        lines.append(f"{index + 1}. {step.text}{files}{mark}")
    return "\n".join(lines)


def journalled(report: Report) -> dict[str, object]:
    """A report as the journal holds it."""
    return {
        "store_digest": report.store_digest,
        "green": report.green,
        "results": [asdict(result) for result in report.results],
    }
