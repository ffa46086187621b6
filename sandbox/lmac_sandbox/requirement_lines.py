"""What generated code asks for, line by line: a name and a version specifier, nothing else of pip's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lmac_sandbox.errors import DependencyRefused

FILE_BYTES = 16 * 1024
LINES = 300
LINE_CHARACTERS = 200
_SHOWN_CHARACTERS = 80
_NAME_CHARACTERS = 100

# Each is matched once from the left over at most `LINE_CHARACTERS`, and none can match in two ways.
_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(.*)")
_CLAUSE = re.compile(r"(==|~=|!=|<=|>=|<|>)[ \t]*([0-9][A-Za-z0-9.!+_*-]*)")
_ADDRESS = re.compile(r"[A-Za-z+]+://|@|\.whl$|\.tar\.|\.zip$")

_WHAT_IS_ALLOWED = "one package a line, by its name and versions, such as `requests>=2.31,<3`"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line."""

    name: str
    """As it was written."""
    specifier: str = ""
    """Clauses joined by commas; "" for any version."""

    @property
    def key(self) -> str:
        """The name as an index compares it."""
        return canonical_name(self.name)

    @property
    def is_one_version(self) -> bool:
        """Whether it allows exactly one."""
        return self.specifier.startswith("==") and "," not in self.specifier and "*" not in self.specifier

    def __str__(self) -> str:
        return f"{self.name}{self.specifier}"


def canonical_name(name: str) -> str:
    """Equal for names that are one package. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_requirements(content: bytes, file: str = "requirements.txt") -> tuple[Requirement, ...]:
    """Read a whole file; empty lines and comments say nothing.

    Raises:
        DependencyRefused: a line is something else, or a package is named twice; the message names the line.
    """
    if len(content) > FILE_BYTES:
        raise DependencyRefused(f"{file} has {len(content):,} bytes; at most {FILE_BYTES:,} are read")
    lines = content.decode("utf-8", "replace").split("\n")
    if len(lines) > LINES:
        raise DependencyRefused(f"{file} has {len(lines)} lines; at most {LINES} are read")
    found: dict[str, Requirement] = {}
    for number, line in enumerate(lines, start=1):
        if text := _without_comment(line):
            place = f"{file}, line {number}"
            requirement = parse_requirement(text, place)
            if requirement.key in found:
                raise DependencyRefused(f"{place}: {requirement.name} is named twice")
            found[requirement.key] = requirement
    return tuple(found.values())


def parse_requirement(text: str, place: str) -> Requirement:
    """Read one line.

    Args:
        place: Where it stands, for the message.

    Raises:
        DependencyRefused: it is no name with a version specifier.
    """
    reason = _fault(text)
    if reason:
        shown = repr(text[:_SHOWN_CHARACTERS])
        raise DependencyRefused(f"{place}: {shown} {reason}", f"write {_WHAT_IS_ALLOWED}")
    name, clauses = _parts(text)
    return Requirement(name, ",".join(clauses))


def _without_comment(line: str) -> str:
    stripped = line.strip(" \t\r")
    if stripped.startswith("#"):
        return ""
    return stripped.partition(" #")[0].partition("\t#")[0].rstrip(" \t")


def _fault(text: str) -> str:
    """Why a line is none that is taken; "" when it is."""
    if len(text) > LINE_CHARACTERS:
        return f"is longer than {LINE_CHARACTERS} characters"
    if not text.isascii() or not text.isprintable():
        return "holds characters that no name and no version has"
    if text.startswith("-"):
        return "is an option of pip's; options are not taken"
    if ";" in text:
        return "has a condition; conditions are not taken"
    if "[" in text:
        return "names extras; name the packages that they stand for"
    if _ADDRESS.search(text) or "/" in text or text.startswith("."):
        return "is an address or a path; packages come by their names only"
    name, _ = _parts(text)
    if not name or len(name) > _NAME_CHARACTERS or not name[-1].isalnum():
        return "is no package name with a version specifier"
    return ""


def _parts(text: str) -> tuple[str, list[str]]:
    matched = _LINE.fullmatch(text)
    if matched is None:
        return "", []
    name, rest = matched[1], matched[2].strip(" \t")
    if not rest:
        return name, []
    clauses = list(_clauses(rest))
    return (name, clauses) if all(clauses) else ("", [])


def _clauses(text: str) -> Iterator[str]:
    """Each clause without spaces; "" for one that is none."""
    for part in text.split(","):
        matched = _CLAUSE.fullmatch(part.strip(" \t"))
        yield f"{matched[1]}{matched[2]}" if matched else ""
