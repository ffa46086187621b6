"""What a tool is, and what it may touch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from lmac.evaluator import Evaluator
from lmac.file_store import FileStore
from lmac.messages import ToolSpec
from lmac.processor.actions import ToolForm
from lmac.program.revision import Revision
from lmac.store_map import StoreMap

FINISH = "done"


class Arguments(BaseModel):
    """The base of every tool's arguments: what a model may pass, and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What tools work on."""

    store: FileStore
    evaluator: Evaluator
    outlines: StoreMap
    """What the files hold, read in boxes."""
    observation_characters: int = 6000
    """Longest text that a tool shows at once; the rest is named and can be asked for."""


@dataclass(frozen=True, slots=True)
class FinishRequested:
    """The model calls the instruction complete."""


@dataclass(frozen=True, slots=True)
class EvaluationRequested:
    """The model wants the checks' report on the store as it stands."""


@dataclass(frozen=True, slots=True)
class RevisionRequested:
    """The model wants the program changed."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class RetiredTest:
    """The model says why a test of an earlier instruction may go or change."""

    test: str
    reason: str


Effect = FinishRequested | EvaluationRequested | RevisionRequested | RetiredTest


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call."""

    text: str
    ok: bool = True
    effect: Effect | None = None
    """What the control unit has to do about it; None when the store or the text says it all."""
    stops: bool = True
    """Of a failure: whether later actions of the reply would build on what is not there."""


class Tool(ABC, Generic[A]):
    """One thing that the model may do."""

    name: ClassVar[str]
    description: ClassVar[str]
    """One line for the model."""
    positional: ClassVar[tuple[str, ...]] = ()
    """Arguments of the fenced command line, in order."""
    fenced_words: ClassVar[str] = ""
    """What follows the verb in the fenced form, such as `<path>`."""
    rest: ClassVar[str | None] = None
    """The argument that takes all further words."""
    arguments: type[A]

    @abstractmethod
    def carry_out(self, arguments: A, workspace: Workspace) -> ToolResult:
        """Do it; a mistake of the model is a result that is not ok, never an exception."""

    def form(self) -> ToolForm:
        """The tool as protocols offer it."""
        return ToolForm(
            spec=ToolSpec(self.name, self.description, _schema_of(self.arguments)),
            fenced_form=f"{self.name.upper()} {self.fenced_words}".strip(),
            positional=self.positional,
            rest=self.rest,
        )


@cache
def _schema_of(arguments: type[Arguments]) -> Mapping[str, Any]:
    """Made once: it takes pydantic a millisecond, and every window asks for that of each tool."""
    schema = arguments.model_json_schema()
    schema.pop("title", None)
    schema.pop("description", None)
    return schema


def cut(text: str, most_characters: int) -> str:
    """Head and tail of a long text, with the length of what was left out between them."""
    if len(text) <= most_characters:
        return text
    half = most_characters // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def known_paths(asked: str, paths: Sequence[str], most: int = 20) -> str:
    """Paths in one line, for one that is not there: first those that bear the same name."""
    name = asked.rpartition("/")[2]
    same = [path for path in paths if path.rpartition("/")[2] == name]
    shown = [*same[:most], *(path for path in paths[:most] if path not in same)][:most]
    more = f" and {len(paths) - len(shown)} more" if len(paths) > len(shown) else ""
    return f"{', '.join(shown) or 'none'}{more}"
