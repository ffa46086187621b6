"""A check as data: what one entry of a check set says. Reads no file: `inputs` does.

A set is a YAML file: shipped under `configs/checks/`, or a user's own, named by its path.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from lmac.evaluation.floor import FLOOR
from lmac.image_reference import IMAGE_PATTERN
from lmac_sandbox import Reuse

RULES_PLACE = "{rules}"
"""In a command: stands for all rules of the entry, joined by commas."""
FILE_PLACE = "{file}"
"""In a command that runs once a file: stands for the file's path."""
REPORT_PLACE = "{report}"
"""In a command: stands for a file outside the store's copy, which is read instead of stdout afterwards."""
ACCEPTANCE = "acceptance"
"""The name under which reports hold the user's own suite; no check may bear it."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]{1,1000}$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f/-][^\x00-\x1f]{0,199}$")]
"""Shell pattern: over names in any folder or, with a `/` in it, over whole paths."""
Rule = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9@][A-Za-z0-9@._/:-]{0,99}$")]
ImageName = Annotated[str, StringConstraints(pattern=IMAGE_PATTERN)]
_RUFF_RULE = re.compile(r"[A-Z]+[0-9]*")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ParserName(StrEnum):
    """What reads a tool's report; one pure function each."""

    EXIT_CODE = "exit_code"
    """Exit code 0 is a pass; else the last lines are the finding."""
    RUFF_JSON = "ruff_json"
    SARIF = "sarif"
    JUNIT_XML = "junit_xml"
    FAULTS_JSON = "faults_json"
    """The answer of `syntax`, `node_syntax` and `text`."""
    NODE_EVENTS = "node_events"
    PYTEST_EVENTS = "pytest_events"


class Program(StrEnum):
    """Our own programs in the image."""

    SYNTAX = "syntax"
    TEXT = "text"
    NODE_SYNTAX = "node_syntax"
    NODE_TESTS = "node_tests"
    PYTEST = "pytest"
    """A session forked from the runner."""


PARSER_OF = {
    Program.SYNTAX: ParserName.FAULTS_JSON,
    Program.TEXT: ParserName.FAULTS_JSON,
    Program.NODE_SYNTAX: ParserName.FAULTS_JSON,
    Program.NODE_TESTS: ParserName.NODE_EVENTS,
    Program.PYTEST: ParserName.PYTEST_EVENTS,
}
"""Each of our programs speaks one form."""


_COUNTS_NO_FILES = frozenset({ParserName.EXIT_CODE, ParserName.RUFF_JSON, ParserName.SARIF})
"""Forms that do not say how much was looked at: an empty store has no fault either."""

TESTS_PARSERS = frozenset({ParserName.JUNIT_XML, ParserName.NODE_EVENTS, ParserName.PYTEST_EVENTS})
"""What they count are tests."""


class Severity(StrEnum):
    """What a finding is worth whose rule the entry does not name.

    A tool that does not come to its end is no pass, whatever its findings are worth.
    """

    BLOCKING = "blocking"
    ADVISORY = "advisory"


class Rules(_Section):
    """Rules of a tool by name, or for ruff by prefix; where several fit, the longest counts."""

    blocking: tuple[Rule, ...] = ()
    """What keeps an instruction open."""
    advisory: tuple[Rule, ...] = ()
    """What is counted only."""
    at_end: tuple[Rule, ...] = ()
    """What keeps the last instruction open, and is counted only before it."""


class RequiredSections(_Section):
    """Headings that files must have."""

    files: Pattern
    headings: tuple[Text, ...] = Field(min_length=1)


class Length(_Section):
    """Words that files may have."""

    files: Pattern
    at_least: int = Field(default=0, ge=0)
    at_most: int | None = Field(default=None, ge=1)


class BookOptions(_Section):
    """Which files make up a book."""

    outline: Pattern = "outline.md"
    """Names every chapter's file."""
    glossary: Pattern = "glossary.md"
    names_heading: Text = "Names"
    """Below it, each item of a list is a name."""
    chapters: Pattern = "chapters/*.md"
    words_at_least: int = Field(default=0, ge=0)
    """Of each chapter."""
    words_at_most: int | None = Field(default=None, ge=1)


class TextOptions(_Section):
    """What `text` is told beside the files that it reads."""

    required_sections: tuple[RequiredSections, ...] = ()
    lengths: tuple[Length, ...] = ()
    placeholders: bool = False
    """Look for what stands in place of text."""
    repetitions: bool = False
    """Look for paragraphs and sentences that come again, in one file or in several."""
    book: BookOptions | None = None


class CheckDefinition(_Section):
    """One check. Either a `command` of the image or one of our own programs."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    command: tuple[Text, ...] = ()
    """Program and arguments; no shell is involved. It runs in a copy of the store."""
    program: Program | None = None
    parser: ParserName
    """Reads stdout, or the file that the tool was given for `{report}`."""
    severity: Severity = Severity.BLOCKING
    gates: bool = False
    """Whether the checks after it are pointless when it does not pass."""
    reuse: Reuse = Reuse.SINGLE_USE
    """`run` is for shipped sets: their tools are known to load nothing from the store."""
    files: tuple[Pattern, ...] = ()
    """What it applies to. Without a file that fits, the command does not run: there is nothing to judge."""
    each_file: bool = False
    """Whether the command runs once a file, for `{file}`."""
    optional: bool = False
    """Whether a store without such files may do without this check; another check must pass then."""
    wall_seconds: float | None = Field(default=None, gt=0, le=3600)
    """None: the box's own limit."""
    exit_codes: tuple[Annotated[int, Field(ge=0, le=255)], ...] = (0, 1)
    """With which the tool ends when it has judged; not for `exit_code`, which takes any."""
    usage_exit_codes: tuple[Annotated[int, Field(ge=1, le=255)], ...] = ()
    """By which it refuses its options: this entry is wrong then, and the run stops."""
    rules: Rules = Rules()
    options: TextOptions | None = None
    """For `text`."""

    @property
    def writes_report(self) -> bool:
        """Whether the tool is given a file for its report."""
        return any(REPORT_PLACE in argument for argument in self.command)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.name in (ACCEPTANCE, FLOOR):
            raise ValueError(f"the name {self.name!r} is taken")
        if bool(self.command) == bool(self.program):
            raise ValueError("name either `command` or `program`")
        self._demand_effect()
        of_programs = set(PARSER_OF.values())
        if self.program is not None and self.parser is not PARSER_OF[self.program]:
            raise ValueError(f"the parser of {self.program} is {PARSER_OF[self.program]}")
        if self.program is None and self.parser in of_programs:
            raise ValueError(f"{self.parser} reads one of our own programs only")
        if self.command and "/" in self.command[0] and not self.command[0].startswith("/"):
            raise ValueError(
                f"`command` starts {self.command[0]}, but no file of a store can be executed: "
                f"name what reads it, [sh, {self.command[0].removeprefix('./')}]"
            )
        self._demand_files()
        self._demand_rules()
        return self

    def _demand_effect(self) -> None:
        """Refuse keys that nobody reads."""
        unread = {"exit_codes", "usage_exit_codes"} if self.program is not None else set[str]()
        if self.program is Program.PYTEST:
            unread |= {"rules", "severity"}
        if given := sorted(unread & self.model_fields_set):
            raise ValueError(f"`{given[0]}` has no meaning for the program {self.program}")

    def _demand_files(self) -> None:
        if self.program is Program.TEXT:
            if not self.files:
                raise ValueError("`text` needs `files`")
        elif self.program is not None and self.files:
            raise ValueError(f"{self.program} knows its files itself")
        if self.parser in _COUNTS_NO_FILES and not self.files:
            raise ValueError(
                f"`files` is missing: {self.parser} tells of no file, so an empty store would pass"
            )
        if self.options is not None and self.program is not Program.TEXT:
            raise ValueError("`options` go with the program `text`")
        named = any(FILE_PLACE in argument for argument in self.command)
        if self.each_file != named:
            raise ValueError("`each_file` and {file} in the command go together")
        if self.each_file and self.writes_report:
            raise ValueError("{report} is for a command that runs once")
        if self.each_file and not (self.files and self.parser is ParserName.EXIT_CODE):
            raise ValueError("`each_file` needs `files` and the parser exit_code")
        if self.optional and (self.gates or not self.files):
            raise ValueError("`optional` needs `files`, and such a check cannot gate")

    def _demand_rules(self) -> None:
        named = (*self.rules.blocking, *self.rules.advisory, *self.rules.at_end)
        if not named and any(RULES_PLACE in argument for argument in self.command):
            raise ValueError("the command wants {rules}, and there are none")
        if self.parser is ParserName.RUFF_JSON:
            # Looked at here, since ruff would refuse it only once a model has written files.
            for rule in named:
                if not _RUFF_RULE.fullmatch(rule):
                    raise ValueError(f"{rule!r} is no rule: capital letters, then digits, such as F or E902")


class CheckSet(_Section):
    """One file of checks, in the order in which they run."""

    images: tuple[ImageName, ...] = Field(min_length=1)
    """Shipped images (with their lock or without) or ids; the first that suits all sets of a run is taken."""
    checks: tuple[CheckDefinition, ...] = Field(min_length=1)
    language: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9+-]{0,39}$")
    """What the files have to be written in for these checks to pass; None: any."""
    language_texts: dict[str, str] | None = None
    """What the texts of a codebase say of the language, one of which LMAC has none of its own."""

    @model_validator(mode="after")
    def _has_single_names(self) -> Self:
        names = [check.name for check in self.checks]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two checks are named {twice[0]!r}")
        if self.language_texts is not None and self.language is None:
            raise ValueError("`language_texts` need the `language` that they are of")
        return self
