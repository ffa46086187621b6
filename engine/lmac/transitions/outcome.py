"""How a run ends, and what carries it out."""

from __future__ import annotations

from enum import StrEnum


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
