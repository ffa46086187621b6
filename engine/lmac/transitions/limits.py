"""The caps of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
