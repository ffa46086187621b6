"""What a reading of the files has to say about a test session, before any of them runs.

kind              what it is                                                  what the check makes of it
changes_session   a hook or setting that can hide, choose or rewrite results  a fault
hidden            tests that pytest never sees, or sees under another's name  a fault
unreadable        a test file or conftest that cannot be parsed               a fault
leaves            a call that ends the process                                a fault if the session broke off
tests_nothing     a test file that reaches no module of the files               a fault
reimplements      what a test file defines in place of what it is to test     a fault
placeholder       a function of the code that is not written yet              a fault, or as configured
hides_method      an attribute of plain data with the name of a method        a fault
no_effect         configuration, start-up files, reports: nothing reads them  a remark
shadows           a module named as one that Python or pytest brings along    a remark
switched_off      test functions that pytest is told not to run               a remark
asserts_nothing   a test that can only fail by an error                       a remark
dynamic           names that a conftest makes as it runs, and nobody can read   a remark
suppression       comments that silence a tool altogether                     a remark
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .events import cut_text, is_text

PATH_CHARACTERS = 255
TEXT_CHARACTERS = 300
_FIELDS = frozenset({"kind", "path", "line", "text"})


class NoticeKind(StrEnum):
    """Faults first: of too many notices the last ones are left out."""

    CHANGES_SESSION = "changes_session"
    HIDDEN = "hidden"
    UNREADABLE = "unreadable"
    LEAVES = "leaves"
    TESTS_NOTHING = "tests_nothing"
    REIMPLEMENTS = "reimplements"
    PLACEHOLDER = "placeholder"
    HIDES_METHOD = "hides_method"
    NO_EFFECT = "no_effect"
    SHADOWS = "shadows"
    SWITCHED_OFF = "switched_off"
    ASSERTS_NOTHING = "asserts_nothing"
    DYNAMIC = "dynamic"
    SUPPRESSION = "suppression"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that was read."""

    kind: NoticeKind
    path: str
    line: int
    """From 1; 0 for the file as a whole."""
    text: str

    def frame(self) -> dict[str, Any]:
        """As it goes to the host."""
        return {
            "kind": self.kind.value,
            "path": cut_text(self.path, PATH_CHARACTERS),
            "line": self.line,
            "text": cut_text(self.text, TEXT_CHARACTERS),
        }


def notice_of(value: object) -> Notice | None:
    """The notice when it has exactly the fields, types and sizes of one; else None."""
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        return None
    path, line, text = value["path"], value["line"], value["text"]
    if not isinstance(line, int) or isinstance(line, bool) or not 0 <= line < 2**31:
        return None
    if not is_text(path, PATH_CHARACTERS) or not is_text(text, TEXT_CHARACTERS):
        return None
    try:
        return Notice(NoticeKind(value["kind"]), path, line, text)
    except ValueError:
        return None
