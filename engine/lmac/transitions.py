"""What the machine does next, from its state alone. Source: L2MAC, Algorithm 1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lmac.budget import Scope, Spent
from lmac.evaluation import Report
from lmac.messages import Action
from lmac.program import Program, Requirement
from lmac.registry import InstructionEnd, InstructionRegistry


class Outcome(StrEnum):
    """How a run ended. Acceptance by the user's own suite is judged afterwards and apart."""

    COMPLETED = "completed"
    """Every instruction was completed on green checks."""
    INSTRUCTION_GIVEN_UP = "instruction given up"
    """At least one instruction used up its attempts."""
    CHECKS_FAILED = "checks failed"
    """A single call, without the machine, whose files do not pass their checks."""
    BUDGET_SPENT = "budget spent"
    WINDOW_TOO_SMALL = "window too small"
    """The task and what belongs to an instruction do not fit into the model's window."""
    MODEL_FAILED = "model failed"
    SANDBOX_FAILED = "sandbox failed"
    INTERRUPTED = "interrupted"
    FAULT = "fault of LMAC"
    """Something that nobody foresaw."""


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
    repeats: int = 1
    """Times that the same reply may come again within one window."""
    attempts: int = 3
    """Windows for one instruction. Source: L2MAC, Algorithm 1, line 8 (30 there)."""
    on_given_up: OnGivenUp = OnGivenUp.CONTINUE
    format_faults: int = 2
    """Replies in a row of which nothing could be read, before the profile's next protocol is used."""

    def __post_init__(self) -> None:
        for name, least in (
            ("program_tries", 0),
            ("requirement_tries", 0),
            ("reflections", 0),
            ("revisions", 0),
            ("turns", 1),
            ("repeats", 1),
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
    repeats: int = 0
    """How often in a row the last reply came again, word for word."""
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


@dataclass(frozen=True, slots=True)
class Restart:
    """Open the current instruction again with a summary of its progress. Source: Algorithm 1, line 7."""

    reason: str


@dataclass(frozen=True, slots=True)
class StepDown:
    """Go on in the next form of the profile, in a fresh window."""

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
    | CarryOut
    | Evaluate
    | RefuseFinish
    | Advance
    | Restart
    | StepDown
    | Halt
)

NOTHING_WRITTEN = "this instruction has written nothing yet"
CHECKS_ARE_RED = "the checks do not pass"


def decide(state: MachineState, limits: MachineLimits) -> Decision:
    """The one next step of the machine."""
    if state.form_refused and state.can_step_down and state.budget_spent is None:
        return StepDown("the server refuses this form")
    if state.registry is None:
        return _bootstrap(state, limits)
    if state.registry.finished:
        return Halt(_outcome(state.registry))
    if state.budget_spent is not None and state.budget_scope is Scope.RUN:
        return Halt(Outcome.BUDGET_SPENT)
    if state.budget_spent is not None:
        return _given_up(limits)
    if not state.window_open:
        return OpenWindow()
    if state.pending:
        return CarryOut()
    if state.can_step_down and state.format_faults >= limits.format_faults:
        return StepDown(f"{state.format_faults} replies in a row could not be read")
    if _unjudged(state):
        return Evaluate()
    if state.finish_requested:
        return _finish(state)
    if state.window_overflows and not state.turns:
        return Halt(Outcome.WINDOW_TOO_SMALL)
    if state.window_overflows:
        return _next_attempt(state.registry, limits, "the window is full")
    if state.repeats >= limits.repeats:
        return _next_attempt(state.registry, limits, "the same reply came again and again")
    if state.turns >= limits.turns:
        return _next_attempt(state.registry, limits, f"{limits.turns} turns did not complete it")
    return Ask()


def _bootstrap(state: MachineState, limits: MachineLimits) -> Decision:
    if state.budget_spent is not None:
        return Halt(Outcome.BUDGET_SPENT)
    if limits.program_tries == 0:
        return AssumeProgram()
    if state.requirements_wanted and state.requirement_tries < limits.requirement_tries:
        return AskForRequirements()
    if state.draft is not None:
        return Reflect(state.gaps) if state.reflections < limits.reflections else AssumeProgram()
    if state.program_tries >= limits.program_tries:
        return AssumeProgram()
    return AskForProgram()


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
    return Advance(InstructionEnd.COMPLETED)


def _next_attempt(registry: InstructionRegistry, limits: MachineLimits, reason: str) -> Decision:
    if registry.attempts + 1 < limits.attempts:
        return Restart(reason)
    return _given_up(limits)


def _given_up(limits: MachineLimits) -> Decision:
    if limits.on_given_up is OnGivenUp.STOP:
        return Halt(Outcome.INSTRUCTION_GIVEN_UP)
    return Advance(InstructionEnd.GIVEN_UP)


def _outcome(registry: InstructionRegistry) -> Outcome:
    if InstructionEnd.GIVEN_UP in registry.ends:
        return Outcome.INSTRUCTION_GIVEN_UP
    return Outcome.COMPLETED
