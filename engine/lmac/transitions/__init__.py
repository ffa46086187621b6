"""What the machine does next, from its state alone: its state, its limits, its steps, and the choice."""

from lmac.transitions.best_files import better_files
from lmac.transitions.decisions import (
    Advance,
    Ask,
    AskForProgram,
    AskForRequirements,
    AskForSplit,
    AssumeProgram,
    CarryOut,
    Decision,
    Evaluate,
    Halt,
    OpenWindow,
    Reflect,
    RefuseFinish,
    Restart,
    Restore,
    Sample,
    StepDown,
)
from lmac.transitions.limits import MachineLimits, OnGivenUp
from lmac.transitions.next_step import CHECKS_ARE_RED, NOTHING_WRITTEN, TESTS_WEAKENED, decide
from lmac.transitions.outcome import MachineKind, Outcome
from lmac.transitions.state import MachineState

__all__ = [
    "CHECKS_ARE_RED",
    "NOTHING_WRITTEN",
    "TESTS_WEAKENED",
    "Advance",
    "Ask",
    "AskForProgram",
    "AskForRequirements",
    "AskForSplit",
    "AssumeProgram",
    "CarryOut",
    "Decision",
    "Evaluate",
    "Halt",
    "MachineKind",
    "MachineLimits",
    "MachineState",
    "OnGivenUp",
    "OpenWindow",
    "Outcome",
    "Reflect",
    "RefuseFinish",
    "Restart",
    "Restore",
    "Sample",
    "StepDown",
    "better_files",
    "decide",
]
