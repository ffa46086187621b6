"""Which names of a task's text belong to the files that are to be written, and in which module they stand."""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_FILE = re.compile(r"(?<![\w/.-])([A-Za-z_][\w/]{0,200})\.py\b")
_IMPORT = re.compile(r"\s{0,40}(?:>>> )?from ([\w.]{1,200}) import ([\w ,()]{1,500})")
_DEFINITION = re.compile(r"\s{0,40}(?:async )?(?:def|class) (\w{1,100})")
_MENTION = re.compile(r"(?:`|(?:function|class|named|called) `?)([A-Za-z_]\w{0,100})(?=[(`\s.,:]|$)")
_LINE_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class SubjectNames:
    """Names by module; what could stand in two modules stands in none."""

    modules: frozenset[str]
    """Those that the task names as files, without tests."""
    imported: Mapping[str, str]
    """By name: what the task's own code imports from them."""
    mentioned: frozenset[str]
    """What the task defines, or writes as code."""
    sections: tuple[tuple[int, str], ...] = field(default=())
    """First line and module of each section whose heading names one file, or no module for any other."""

    def module_of(self, name: str, line: int) -> str:
        """The module of a name that stands in that line; "" when nobody can tell."""
        if name in self.imported:
            return self.imported[name]
        if name not in self.mentioned or name in dir(builtins):
            return ""
        return self.section_module(line)

    def section_module(self, line: int) -> str:
        """The module that the line's section is about, or the only one; "" when nobody can tell."""
        section = next((module for first, module in reversed(self.sections) if first <= line), "")
        return section or (next(iter(self.modules)) if len(self.modules) == 1 else "")

    def is_subject(self, module: str) -> bool:
        """Whether the task names the module's file."""
        return module in self.modules

    def is_standard(self, module: str) -> bool:
        """Whether Python brings it along."""
        return module.partition(".")[0] in sys.stdlib_module_names


def subject_names(lines: Sequence[str]) -> SubjectNames:
    """Read them off the text's lines; of a very long line only the beginning."""
    modules: set[str] = set()
    imports: dict[str, set[str]] = {}
    mentioned: set[str] = set()
    sections: list[tuple[int, str]] = []
    for number, whole in enumerate(lines, 1):
        line = whole[:_LINE_CHARACTERS]
        named = {module for path in _FILE.findall(line) if (module := _module(path))}
        modules |= named
        if line.startswith("#") and line.lstrip("#").startswith(" "):
            sections.append((number, named.pop() if len(named) == 1 else ""))
        if match := _IMPORT.match(line):
            for name in re.findall(r"\w+", match[2]):
                imports.setdefault(name, set()).add(match[1])
        if match := _DEFINITION.match(line):
            mentioned.add(match[1])
        mentioned.update(_MENTION.findall(line))
    imported = {
        name: next(iter(found)) for name, found in imports.items() if len(found) == 1 and found <= modules
    }
    return SubjectNames(frozenset(modules), imported, frozenset(mentioned), tuple(sections))


def _module(path: str) -> str:
    """The module in a file of that path without its ending; "" for tests."""
    name = path.rpartition("/")[2]
    if name.startswith("test_") or name.endswith("_test") or name in ("conftest", "setup", "__main__"):
        return ""
    return path.removeprefix("src/").removesuffix("/__init__").strip("/").replace("/", ".")
