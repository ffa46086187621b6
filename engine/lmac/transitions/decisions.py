"""The steps that the machine can take."""

from __future__ import annotations

from dataclasses import dataclass

from lmac.program.registry import InstructionEnd
from lmac.transitions.outcome import Outcome


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
