"""The task, what it requires, and the prompt program that is written for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from lmac_sandbox import BadPath, check_path

MOST_INSTRUCTIONS = 200
MOST_REQUIREMENTS = 200
"""Of one task: each is looked for in every instruction."""
_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|[^/]*\.test)\.[A-Za-z]{1,4}$")


class ProgramFault(ValueError):
    """A text that holds no usable program; the message says what is missing, for the model to read."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the user asks for, in their own words."""

    text: str
    name: str
    """A short name for folders and reports, from the file's name or the first words."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence about the result that can be checked."""

    number: int
    """The user's own where the task numbers its requirements."""
    text: str
    section: str = ""
    """The heading of the task under which it stands."""


class RequirementSource(StrEnum):
    """Where a run's requirements come from."""

    TASK_NUMBERS = "the task's own numbers"
    TASK_ITEMS = "the items of the task's lists, numbered in order"
    USER = "the program that the user gave"
    MODEL = "the model"
    NONE = "nowhere"
    """The task lists none, and none were asked for or none came that could be read."""


@dataclass(frozen=True, slots=True)
class PublicName:
    """A name that other files may use."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of the program: small enough to be carried out within one window."""

    text: str
    files: tuple[str, ...] = ()
    """Store paths that the step is expected to write."""
    requirements: tuple[int, ...] = ()
    """Numbers of those that it covers."""
    public_names: tuple[PublicName, ...] = ()
    """What its files are expected to offer to others."""
    depends_on: tuple[int, ...] = ()
    """Numbers of the instructions whose results it uses."""
    check: str = ""
    """How it will be checked: the names of tests or checks, or words."""
    number: int = 0
    """From 1, and its own for the whole run; 0 until the program is numbered."""

    @property
    def writes_only_tests(self) -> bool:
        return bool(self.files) and all(map(is_test_file, self.files))


@dataclass(frozen=True, slots=True)
class Program:
    """The instructions, in the order of their execution. Source: L2MAC, Algorithm 1, lines 1-2."""

    instructions: tuple[Instruction, ...]
    requirements: tuple[Requirement, ...] = ()

    def numbered(self) -> Program:
        """With the place in the list as the number of every instruction that has none."""
        steps = enumerate(self.instructions, start=1)
        return replace(
            self, instructions=tuple(replace(step, number=step.number or place) for place, step in steps)
        )


class ProgramForm(StrEnum):
    """How a model gives its program."""

    TOOL = "tool"
    """Requirements, then whole instructions, by native calls."""
    SCHEMA = "schema"
    """The same as JSON that the server constrains to a schema."""
    JSON = "json"
    """One module a step, as JSON that the server constrains: the surest form for small models."""
    NUMBERED = "numbered"
    """As a numbered list."""

    @property
    def is_whole(self) -> bool:
        """Whether the model is asked for requirements and for all that an instruction may name."""
        return self in (ProgramForm.TOOL, ProgramForm.SCHEMA)


def legal_path(path: str) -> bool:
    """Whether the store would take a file of that path."""
    try:
        return bool(check_path(path))
    except BadPath:
        return False


def is_test_file(path: str) -> bool:
    """Whether pytest or node's test runner takes the file for tests, by its name."""
    return _TEST_FILE.search(path) is not None
