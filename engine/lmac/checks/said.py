"""What goes into a parser of reports and what comes out: plain values, no verdict yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lmac_sandbox import printable_text

MOST_FINDINGS = 500
"""Kept of one check once all are classified; the others are counted."""
MOST_BYTES = 2 * 2**20
"""Of a report: a parser keeps every fault of it, since any may be the one that blocks."""
WHERE_CHARACTERS = 300
TEXT_CHARACTERS = 4000
_SUBJECT = "/scratch/subject/"


class Unreadable(Exception):
    """The report is not what the tool writes when it has come to its end."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a tool that ended by itself."""

    exit_code: int
    stdout: bytes
    stderr: bytes = b""
    cut: bool = False
    """Whether stdout lacks something."""
    path: str = ""
    """The one file that it was given, if it was given one."""


@dataclass(frozen=True, slots=True)
class Told:
    """One fault as the tool names it."""

    where: str
    rule: str
    text: str
    remark: bool = False
    """The tool itself calls it no fault."""


@dataclass(frozen=True, slots=True)
class Said:
    """All that a tool says of the files."""

    told: tuple[Told, ...] = ()
    judged: int | None = None
    """Files or tests that it looked at; None when it does not say."""
    passed: int = 0
    untold: Mapping[str, int] = field(default_factory=dict)
    """By rule: faults that the report counts and does not name."""


Parser = Callable[[Ran], Said]
"""Raises `Unreadable`, and nothing else, whatever the bytes are."""


def told(path: str, line: int | None, rule: str, text: str, remark: bool = False) -> Told:
    """A fault with everything in it cut to size and free of control sequences."""
    where = printable_text(path.removeprefix("file://").removeprefix(_SUBJECT)).replace("\n", " ")
    where = where[:WHERE_CHARACTERS] + (f":{line}" if line else "")
    return Told(where, printable_text(rule)[:100], printable_text(text)[:TEXT_CHARACTERS].strip(), remark)


def words_of(ran: Ran, characters: int = 2000) -> str:
    """The last of what it printed, stderr before stdout."""
    for stream in (ran.stderr, ran.stdout):
        if words := printable_text(stream.decode("utf-8", "replace")).strip():
            return words[-characters:]
    return ""
