"""What the machine does next, from its state alone. Source: L2MAC, Algorithm 1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lmac.budget import Scope, Spent
from lmac.evaluation import Report
from lmac.messages import Action
from lmac.program import Program, Requirement
from lmac.ranking import Judged
from lmac.registry import InstructionEnd, InstructionRegistry
from lmac.stuck import Watch


class Outcome(StrEnum):
    """How a run ended. Acceptance by the user's own suite is judged afterwards and apart."""

    COMPLETED = "completed"
    """Every instruction was completed on green checks."""
    INSTRUCTION_GIVEN_UP = "instruction given up"
    """At least one instruction used up its attempts."""
    CHECKS_FAILED = "checks failed"
    """A baseline, or a machine without its evaluator, whose files do not pass their checks at the end."""
    BUDGET_SPENT = "budget spent"
    WINDOW_TOO_SMALL = "window too small"
    """The task and what belongs to an instruction do not fit into the model's window."""
    MODEL_FAILED = "model failed"
    SANDBOX_FAILED = "sandbox failed"
    INTERRUPTED = "interrupted"
    FAULT = "fault of LMAC"
    """Something that nobody foresaw."""


class MachineKind(StrEnum):
    """What carries out a task."""

    CONTROL_UNIT = "control-unit"
    SINGLE_SHOT = "single-shot"
    """One call: a baseline."""
    LOOP = "loop"
    """A plain edit-and-run loop in one window, without program and control unit: a baseline."""


class OnGivenUp(StrEnum):
    """What follows an instruction that used up its attempts."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class MachineLimits:
    """Caps that make every run end.

    Raises:
        ValueError: a cap leaves no room for a single call, or is negative.
    """

    program_tries: int = 3
    """Calls for a program before the task itself becomes its only instruction; 0 asks for nothing at all."""
    requirement_tries: int = 2
    """Calls for the requirements of a task that does not number them; after them the run has none."""
    reflections: int = 2
    """Times that a program with gaps goes back before code closes them."""
    revisions: int = 4
    """Changes of the program while it runs."""
    turns: int = 6
    """Calls of the processor within one window of an instruction."""
    stuck_turns: int = 3
    """Turns in a row that bring nothing new before their window is left; each is warmer than the last."""
    attempts: int = 3
    """Windows for one instruction. Source: L2MAC, Algorithm 1, line 8 (30 there)."""
    on_given_up: OnGivenUp = OnGivenUp.CONTINUE
    format_faults: int = 2
    """Replies in a row of which nothing could be read, before the profile's next protocol is used."""
    finish_when_green: bool = False
    """Whether green checks close an instruction that has written something, without the model's word."""
    summaries: bool = True
    """Whether the model sums up what it did; without, the listing of the files takes its words' place."""
    evaluator: bool = True
    """Whether files are judged during the run; without, the model's word closes an instruction and one report
    at the end gives the outcome."""

    def __post_init__(self) -> None:
        for name, least in (
            ("program_tries", 0),
            ("requirement_tries", 0),
            ("reflections", 0),
            ("revisions", 0),
            ("turns", 1),
            ("stuck_turns", 1),
            ("attempts", 1),
            ("format_faults", 1),
        ):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"{name} is {value}; it must be at least {least}")


@dataclass(frozen=True, slots=True)
class MachineState:
    """All that `decide` looks at."""

    registry: InstructionRegistry | None = None
    """None until a program stands."""
    requirements: tuple[Requirement, ...] = ()
    requirements_wanted: bool = False
    """The task numbers none, and the model can be asked."""
    requirement_tries: int = 0
    program_tries: int = 0
    draft: Program | None = None
    """A program that the model gave and that has gaps."""
    gaps: tuple[str, ...] = ()
    """Of the draft."""
    reflections: int = 0
    """How often a draft went back."""
    window_open: bool = False
    turns: int = 0
    """Calls within the open window."""
    watch: Watch = Watch()
    """Of the open window."""
    pending: tuple[Action, ...] = ()
    """Actions of the last reply that were not carried out yet."""
    finish_requested: bool = False
    window_overflows: bool = False
    """The next request would pass the window's limit."""
    store_digest: str = ""
    opening_digest: str = ""
    """The store when the current instruction began."""
    missing_files: tuple[str, ...] = ()
    """Files that the current instruction names and the store does not hold."""
    unchanged_finish_refused: bool = False
    """The model was told once that it had written nothing."""
    evaluation_requested: bool = False
    """The model asked for a report, whether or not the store changed."""
    report: Report | None = None
    opening: Judged | None = None
    """The files with which the current instruction began; None when nobody had judged them."""
    best: Judged | None = None
    """The best files of the current instruction so far, as far as they were judged."""
    first_write: bool = False
    """The current instruction has written nothing yet, and candidates for that are wanted."""
    may_split: bool = False
    """The current instruction can be split rather than given up."""
    weakened: tuple[str, ...] = ()
    """Tests of closed instructions, and what became of each, where nobody said why."""
    budget_spent: Spent | None = None
    budget_scope: Scope = Scope.RUN
    """Whose limit it is; an instruction's ends the instruction alone."""
    format_faults: int = 0
    """Replies in a row that were malformed, and of which nothing was carried out."""
    form_refused: bool = False
    """The server refuses the tools, or the schema, of the last request."""
    can_step_down: bool = False
    """There is another form of actions, or of the program."""


@dataclass(frozen=True, slots=True)
class AskForRequirements:
    """Call the processor for the task's requirements."""


@dataclass(frozen=True, slots=True)
class AskForProgram:
    """Call the processor for a program. Source: Algorithm 1, line 1."""


@dataclass(frozen=True, slots=True)
class Reflect:
    """Send a program back with its gaps. Source: L2MAC, the reflection on the program."""

    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssumeProgram:
    """Take the draft with its gaps closed by code; without one, the task itself as the only instruction."""


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """Put a fresh window before the current instruction. Source: Algorithm 1, line 2."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Call the processor with the window as it stands. Source: Algorithm 1, line 3."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Call the processor; if it writes, judge what it wrote beside other samples, and go on with the best."""


@dataclass(frozen=True, slots=True)
class CarryOut:
    """Carry out the first pending action. Source: Algorithm 1, line 4."""


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Judge the store as it stands. Source: Algorithm 1, line 5."""


@dataclass(frozen=True, slots=True)
class RefuseFinish:
    """Tell the model why its completion does not count."""

    reason: str


@dataclass(frozen=True, slots=True)
class Advance:
    """Close the current instruction with a summary. Source: Algorithm 1, line 5."""

    end: InstructionEnd
    reason: str = ""
    """Why it is given up."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Open the current instruction again with a summary of its progress. Source: Algorithm 1, line 7."""

    reason: str


@dataclass(frozen=True, slots=True)
class StepDown:
    """Go on in the next form of the profile, in a fresh window."""

    reason: str


@dataclass(frozen=True, slots=True)
class Restore:
    """Put back the files of this digest, which are better than those at hand."""

    store_digest: str


@dataclass(frozen=True, slots=True)
class AskForSplit:
    """Have the current instruction divided into smaller ones: its attempts did not complete it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """End the run."""

    outcome: Outcome


Decision = (
    AskForRequirements
    | AskForProgram
    | Reflect
    | AssumeProgram
    | OpenWindow
    | Ask
    | Sample
    | CarryOut
    | Evaluate
    | RefuseFinish
    | Advance
    | Restart
    | StepDown
    | Restore
    | AskForSplit
    | Halt
)

NOTHING_WRITTEN = "this instruction has written nothing yet"
CHECKS_ARE_RED = "the checks do not pass"
TESTS_WEAKENED = "these tests of earlier steps were deleted, skipped or weakened, and no `retire` says why"
NAMED_TESTS = 6


def decide(state: MachineState, limits: MachineLimits) -> Decision:
    """The one next step of the machine."""
    if state.form_refused and state.can_step_down and state.budget_spent is None:
        return StepDown("the server refuses this form")
    if state.registry is None:
        return _bootstrap(state, limits)
    if state.registry.finished:
        return _end(state, state.registry, limits)
    if state.budget_spent is not None and state.budget_scope is Scope.RUN:
        return _left_at_best(state, Halt(Outcome.BUDGET_SPENT))
    if state.budget_spent is not None:
        return _left_at_best(state, _given_up(limits, f"its {state.budget_spent.value} are spent"))
    if not state.window_open:
        return OpenWindow()
    if state.pending:
        return CarryOut()
    if state.can_step_down and state.format_faults >= limits.format_faults:
        return StepDown(f"{state.format_faults} replies in a row could not be read")
    if limits.evaluator and _unjudged(state):
        return Evaluate()
    if state.finish_requested:
        return _finish(state) if limits.evaluator else Advance(InstructionEnd.COMPLETED)
    if limits.finish_when_green and limits.evaluator and _is_done(state):
        return Advance(InstructionEnd.COMPLETED)
    if state.window_overflows and not state.turns:
        return _left_at_best(state, Halt(Outcome.WINDOW_TOO_SMALL))
    if reason := _spent_window(state, limits):
        return _left_at_best(state, _next_attempt(state, state.registry, limits, reason))
    return Sample() if state.first_write else Ask()


def _bootstrap(state: MachineState, limits: MachineLimits) -> Decision:
    if state.budget_spent is not None:
        return Halt(Outcome.BUDGET_SPENT)
    if limits.program_tries == 0:
        return AssumeProgram()
    if state.requirements_wanted and state.requirement_tries < limits.requirement_tries:
        return AskForRequirements()
    if state.can_step_down and state.format_faults >= limits.format_faults:
        return StepDown(f"{state.format_faults} replies in a row could not be read")
    if state.draft is not None:
        return Reflect(state.gaps) if state.reflections < limits.reflections else AssumeProgram()
    if state.program_tries >= limits.program_tries:
        return AssumeProgram()
    return AskForProgram()


def _end(state: MachineState, registry: InstructionRegistry, limits: MachineLimits) -> Decision:
    """The outcome, once every instruction was left; without an evaluator its one report comes first."""
    if limits.evaluator or state.budget_spent is not None:
        return Halt(_outcome(registry))
    if state.report is None or state.report.store_digest != state.store_digest:
        return Evaluate()
    return Halt(_outcome(registry) if state.report.green else Outcome.CHECKS_FAILED)


def _unjudged(state: MachineState) -> bool:
    """A verdict belongs to a digest: one on older files counts for nothing."""
    if state.evaluation_requested:
        return True
    if state.report is not None and state.report.store_digest == state.store_digest:
        return False
    return state.finish_requested or state.store_digest != state.opening_digest


def _finish(state: MachineState) -> Decision:
    if state.missing_files:
        return RefuseFinish(f"these files of it are not written: {', '.join(state.missing_files)}")
    if state.store_digest == state.opening_digest and not state.unchanged_finish_refused:
        return RefuseFinish(NOTHING_WRITTEN)
    if state.report is None or not state.report.green:
        return RefuseFinish(CHECKS_ARE_RED)
    if state.weakened:
        return RefuseFinish(f"{TESTS_WEAKENED}: {', '.join(state.weakened[:NAMED_TESTS])}")
    return Advance(InstructionEnd.COMPLETED)


def _is_done(state: MachineState) -> bool:
    """Whether the model would be heard if it said so; the files were judged by now."""
    return state.store_digest != state.opening_digest and isinstance(_finish(state), Advance)


def _spent_window(state: MachineState, limits: MachineLimits) -> str:
    """Why the open window is of no more use; "" while it is."""
    if state.window_overflows:
        return "the window is full"
    if state.watch.stalled >= limits.stuck_turns:
        return f"{state.watch.stalled} turns brought nothing new: {state.watch.signs[0].value}"
    if state.turns >= limits.turns:
        return f"{limits.turns} turns did not complete it"
    return ""


def _next_attempt(
    state: MachineState, registry: InstructionRegistry, limits: MachineLimits, reason: str
) -> Decision:
    """A fresh window, then smaller instructions, then none."""
    if registry.attempts + 1 < limits.attempts:
        return Restart(reason)
    if state.may_split:
        return AskForSplit(reason)
    return _given_up(limits, reason)


def _given_up(limits: MachineLimits, reason: str) -> Decision:
    if limits.on_given_up is OnGivenUp.STOP:
        return Halt(Outcome.INSTRUCTION_GIVEN_UP)
    return Advance(InstructionEnd.GIVEN_UP, reason)


def better_files(state: MachineState) -> str | None:
    """The digest to go back to before an instruction is left uncompleted; None when there is no better one.

    Its own evaluations are compared by rank, the earliest of several alike: later ones were asked for in more
    despair. Files that nobody judged give way to any that were. The
    files with which it began are better only than files that lost something that ran before: an instruction
    that is half done is worth more than one undone.
    """
    report = state.report
    at_hand = report is not None and report.store_digest == state.store_digest
    target = Judged(report, len(state.missing_files)) if report is not None and at_hand else None
    if state.best is not None and (target is None or not target.is_better_than(state.best)):
        target = state.best
    if state.opening is not None and (target is None or target.breaks(state.opening)):
        target = state.opening
    if target is None or target.store_digest == state.store_digest:
        return None
    return target.store_digest


def _left_at_best(state: MachineState, then: Decision) -> Decision:
    """What the last turn left is rarely the best that there was."""
    digest = better_files(state)
    return then if digest is None else Restore(digest)


def _outcome(registry: InstructionRegistry) -> Outcome:
    if InstructionEnd.GIVEN_UP in registry.ends:
        return Outcome.INSTRUCTION_GIVEN_UP
    return Outcome.COMPLETED
