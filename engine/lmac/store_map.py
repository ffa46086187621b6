"""What the store's files define, found by search and by name: read in a box, told in a few lines.

No source text is parsed here, and nothing costs in proportion to the store: a box answers in capped JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lmac.evaluation import in_words
from lmac.evaluator import BoxBroken, Evaluator
from lmac.file_store import FileStore
from lmac.printable import printable
from lmac.rendering import without_marks
from lmac_sandbox import Ending, JobResult

MAP_SECONDS = 40.0
SEARCH_SECONDS = 5.0
"""A pattern that takes longer is called off with its job."""
ANSWER_BYTES = 512 * 2**10
MOST_LINES = 2000
LINE_CHARACTERS = 600
REMEMBERED = 32
"""Answers kept while the store stays as it is."""
_ORDER_CHARACTERS = 4000
"""Of what a model searches for."""


class NotMapped(Exception):
    """The box gave no answer; the message says why, for a model to read."""


@dataclass(frozen=True, slots=True)
class Focus:
    """What the reader of a map is about to do."""

    paths: tuple[str, ...] = ()
    """Files that it works on."""
    near: tuple[str, ...] = ()
    """Files that it builds on, as far as somebody said so."""
    words: str = ""
    """A text; files that define what it names come before others."""


@dataclass(frozen=True, slots=True)
class MapView:
    """The map, and what to show beside it."""

    text: str
    files: int
    """Of the whole store."""
    whole: tuple[str, ...]
    """Files whose contents fit into the room that was given, the most wanted first."""


@dataclass(frozen=True, slots=True)
class Span:
    """The lines of one definition, counted from 1."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Folder:
    """One page of what a folder holds."""

    lines: tuple[str, ...]
    page: int
    pages: int
    files: int
    """In it and below."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Where a text stands."""

    lines: tuple[str, ...]
    """Each `path:line: text`."""
    more_hits: int
    more_files: int
    """With none of their hits among the lines."""
    not_text: int
    """Files that were left out as no text."""
    any_case: bool
    """The text as it was written stands nowhere; these differ in case."""


_Line = Annotated[str, StringConstraints(max_length=LINE_CHARACTERS)]
_Path = Annotated[str, StringConstraints(max_length=255)]
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Fault = Annotated[str, StringConstraints(max_length=300)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _MapAnswer(_Answer):
    files: _Count
    lines: list[_Line] = Field(max_length=MOST_LINES)
    whole: list[_Path] = Field(max_length=100)


class _SpanAnswer(_Answer):
    first: _Count
    last: _Count
    names: list[_Line] = Field(max_length=100)
    fault: _Fault


class _ListAnswer(_Answer):
    lines: list[_Line] = Field(max_length=200)
    page: _Count
    pages: _Count
    files: _Count


class _SearchAnswer(_Answer):
    # A path of the store and what stands around one hit, each in one line.
    hits: list[Annotated[list[int | str], Field(min_length=3, max_length=3)]] = Field(max_length=100)
    more_hits: _Count
    more_files: _Count
    not_text: _Count
    any_case: bool
    fault: _Fault


A = TypeVar("A", bound=_Answer)


@dataclass(slots=True)
class StoreMap:
    """Asks boxes about the store as it stands; what was asked before on the same files costs nothing."""

    evaluator: Evaluator
    store: FileStore
    _digest: str = ""
    _known: dict[tuple[str, str], _Answer] = field(default_factory=dict)

    def look(
        self, focus: Focus, most_characters: int, whole_characters: int = 0, not_whole: Sequence[str] = ()
    ) -> MapView:
        """The map of all files, ranked for this reader.

        Args:
            most_characters: Of the map.
            whole_characters: Room for contents, which the caller shows itself; such files have no outline.
            not_whole: Files whose contents are not to be shown.

        Raises:
            NotMapped: the box gave no answer.
        """
        order = {
            "kind": "map",
            "focus": list(focus.paths)[:200],
            "near": list(focus.near)[:200],
            "words": [focus.words[:_ORDER_CHARACTERS]],
            "room": most_characters,
            "whole_room": whole_characters,
            "not_whole": list(not_whole)[:200],
        }
        answer = self._ask("store_map", order, MAP_SECONDS, _MapAnswer)
        lines: list[str] = []
        room = most_characters
        for line in map(safe_line, answer.lines):
            room -= len(line) + 1
            if room < 0:
                break
            lines.append(line)
        return MapView("\n".join(lines), answer.files, tuple(answer.whole))

    def span(self, path: str, name: str) -> Span | str:
        """Where a name is defined in a file; a text says what there is instead.

        Raises:
            NotMapped: the box gave no answer.
        """
        order = {"kind": "span", "path": path, "name": name[:_ORDER_CHARACTERS]}
        answer = self._ask("store_map", order, MAP_SECONDS, _SpanAnswer)
        if 1 <= answer.first <= answer.last:
            return Span(answer.first, answer.last)
        if answer.fault:
            return safe_line(answer.fault)
        return f"names in it: {', '.join(map(safe_line, answer.names)) or 'none'}"

    def folder(self, folder: str, page: int) -> Folder:
        """What stands in a folder, "" for the top; a small one with all that is below it.

        Raises:
            NotMapped: the box gave no answer.
        """
        order = {"kind": "list", "folder": folder[:_ORDER_CHARACTERS], "page": page}
        answer = self._ask("store_map", order, MAP_SECONDS, _ListAnswer)
        return Folder(tuple(map(safe_line, answer.lines)), answer.page, answer.pages, answer.files)

    def search(self, text: str, is_pattern: bool = False, files: str | None = None) -> Hits:
        """Lines that hold the text, or that fit a pattern of Python's `re`.

        Args:
            files: A shell pattern; None for all.

        Raises:
            NotMapped: the box gave no answer, the pattern is none, or it took too long.
        """
        order = {
            "text": text[:_ORDER_CHARACTERS],
            "is_pattern": is_pattern,
            "files": [files[:_ORDER_CHARACTERS]] if files else [],
        }
        answer = self._ask("store_search", order, SEARCH_SECONDS, _SearchAnswer)
        if answer.fault:
            raise NotMapped(safe_line(answer.fault))
        lines = tuple(safe_line(f"{path}:{line}: {said}") for path, line, said in answer.hits)
        return Hits(lines, answer.more_hits, answer.more_files, answer.not_text, answer.any_case)

    def _ask(self, program: str, order: dict[str, Any], wall_seconds: float, form: type[A]) -> A:
        digest = self.store.digest()
        if digest != self._digest:
            self._digest, self._known = digest, {}
        # ASCII: what no argument of a process can hold, such as a lone surrogate, travels escaped.
        text = json.dumps(order)
        known = self._known.get((program, text))
        if isinstance(known, form):
            return known
        try:
            result = self.evaluator.run_tool(digest, program, (text,), wall_seconds)
        except BoxBroken as error:
            raise NotMapped(f"the box broke: {error.message}") from error
        answer = read_answer(result, form, wall_seconds)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[program, text] = answer
        return answer


def read_answer(result: JobResult, form: type[A], wall_seconds: float) -> A:
    """What the program said, if it has the form and size of an answer.

    Raises:
        NotMapped: it has not, or the program did not come to its end.
    """
    if result.ending is Ending.TIMED_OUT:
        raise NotMapped(f"it took longer than {wall_seconds:g} s and was ended")
    if result.ending is not Ending.EXITED or result.exit_code != 0:
        how = f"exit code {result.exit_code}" if result.ending is Ending.EXITED else in_words(result.ending)
        raise NotMapped(f"the job did not come to its end: {how}")
    if result.stdout.tail or len(result.stdout.head) > ANSWER_BYTES:
        raise NotMapped("the answer is too long")
    try:
        return form.model_validate_json(result.stdout.head)
    except (ValidationError, RecursionError) as error:
        raise NotMapped("the answer has not the form of one") from error


def safe_line(text: str) -> str:
    """Text of the store as part of one line of a prompt: nothing in it ends the line or closes marks."""
    return without_marks(printable(text))[:LINE_CHARACTERS]
