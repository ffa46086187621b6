"""Names that a task says its modules define: functions, classes and methods at the beginning of a sentence.

A sentence that begins with `` `encode(number)` `` or with `` `Link` is a dataclass `` tells of what is to be
written. A name within a sentence may be anything, and is passed over.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmac.task_examples.names import SubjectNames, subject_names

MOST_LINES = 100
"""Of one task, with names in them."""
_LINE_CHARACTERS = 2000
_SPAN = r"`([^`\n]{1,120})`"
_SENTENCE = re.compile(
    rf"(?:^|[.;:!?] )({_SPAN}(?:(?:, and |, | and ){_SPAN}){{0,12}}) ?([a-z]{{0,20}} ?[a-z]{{0,20}})"
)
_ITEM = re.compile(r"\s{0,8}(?:[-*+]|\d{1,3}[.)])\s{1,4}")
_CALL = re.compile(r"((?:[A-Z]\w{0,60}\.)?[A-Za-z_]\w{0,60})\(.{0,100}\)")
_CLASS_OR_CONSTANT = re.compile(r"[A-Z]\w{1,60}")
_IS_KIND = re.compile(r"(?:is|are) (?:a|an|the|subclasses|classes|dataclasses|exceptions|constants|enums)")
_IS_FORBIDDEN = re.compile(r"(?:must|may|should|can|is|are|will) (?:not|never)")


@dataclass(frozen=True, slots=True)
class StatedNames:
    """What one line of a task says that a module defines."""

    line: int
    """Of the task's text, from 1."""
    module: str
    names: tuple[str, ...]
    """Each at the top level of the module, or a method of one of its classes; `Class.method` of that one."""


def stated_names(text: str) -> tuple[StatedNames, ...]:
    """By line, each name where it stands first. What could belong to two modules is left out."""
    lines = text.splitlines()
    subject = subject_names(lines)
    told: set[tuple[str, str]] = set()
    found: list[StatedNames] = []
    for number, line in _prose(lines):
        names: dict[str, list[str]] = {}
        for name in _named(line):
            module = _module_of(name, number, subject)
            if module and (module, name) not in told:
                told.add((module, name))
                names.setdefault(module, []).append(name)
        found += [StatedNames(number, module, tuple(those)) for module, those in names.items()]
    return tuple(found[:MOST_LINES])


def _prose(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Lines outside fenced blocks that hold code, headings left out."""
    fence = ""
    for number, whole in enumerate(lines, 1):
        if "`" not in whole and "~" not in whole:
            continue
        line = whole[:_LINE_CHARACTERS]
        mark = line.strip()[:3]
        if mark in ("```", "~~~"):
            fence = "" if fence == mark else fence or mark
        elif not fence and not line.startswith("#"):
            yield number, line


def _named(line: str) -> Iterator[str]:
    for match in _SENTENCE.finditer(_ITEM.sub("", line, count=1)):
        said = match[4].strip()
        if _IS_FORBIDDEN.match(said):
            continue
        says_kind = _IS_KIND.match(said) is not None
        for span in re.findall(_SPAN, match[1]):
            called = _CALL.fullmatch(span)
            name = called[1] if called else span
            if (called or (says_kind and _CLASS_OR_CONSTANT.fullmatch(span))) and not _is_python_s(name):
                yield name


def _is_python_s(name: str) -> bool:
    return hasattr(builtins, name.partition(".")[0]) or keyword.iskeyword(name)


def _module_of(name: str, line: int, subject: SubjectNames) -> str:
    first = name.partition(".")[0]
    return subject.imported.get(first) or subject.section_module(line)
