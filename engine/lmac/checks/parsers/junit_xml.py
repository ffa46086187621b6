"""JUnit's XML, read as a stream: no tree is built, and no document type is accepted.

The form has no authority of its own; this takes what its many writers agree on. A report that generated
code can write is its claim.
"""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat

from lmac.checks.said import MOST_BYTES, Ran, Said, Told, Unreadable, told

MOST_DEPTH = 20
_NAME_CHARACTERS = 300
_TEXT_CHARACTERS = 4000
_FAULTS = frozenset({"failure", "error", "skipped"})


def parse_junit_xml(ran: Ran) -> Said:
    """One fault a test case that failed, broke or was skipped; no cases are nothing to judge."""
    if ran.cut or len(ran.stdout) > MOST_BYTES:
        raise Unreadable("its report is cut")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(ran.stdout, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Unreadable("its report is no XML") from error
    return reader.said()


class _Reader:
    """What has been seen so far."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._cases = 0
        self._faults: list[Told] = []
        self._case = ""
        self._kind = ""
        self._words: list[str] = []
        self._room = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name not in ("testsuites", "testsuite"):
            raise Unreadable("its report is no JUnit report")
        self._path.append(name)
        if len(self._path) > MOST_DEPTH:
            raise Unreadable("its report is nested too deeply")
        if name == "testcase":
            self._open_case(attributes)
        elif name in _FAULTS and self._path[-2] == "testcase":
            first, self._kind = not self._kind, self._kind or name
            if first:
                self._room = _TEXT_CHARACTERS
                self.text(f"{name}: {attributes.get('message', '')[:_TEXT_CHARACTERS]}\n")

    def text(self, text: str) -> None:
        if self._kind and self._room > 0:
            self._words.append(text[: self._room])
            self._room -= len(text)

    def end(self, name: str) -> None:
        self._path.pop()
        if name == "testcase" and self._kind:
            self._faults.append(told(self._case, None, self._kind, "".join(self._words)))
            self._kind = ""

    def said(self) -> Said:
        return Said(tuple(self._faults), self._cases, self._cases - len(self._faults))

    def _open_case(self, attributes: dict[str, str]) -> None:
        if self._path.count("testcase") > 1:
            raise Unreadable("its report holds a test case within a test case")
        self._cases += 1
        self._words = []
        names = (attributes.get(key, "")[:_NAME_CHARACTERS] for key in ("classname", "name"))
        self._case = "::".join(name for name in names if name) or "a test without a name"


def _refuse(*_: object) -> NoReturn:
    raise Unreadable("its report declares a document type or entities")
