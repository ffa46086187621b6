"""`search`: where a text stands in the store."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from lmac.rendering import untrusted
from lmac.store_map import Hits, NotMapped
from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace, cut


class SearchArguments(Arguments):
    """What is looked for, and where."""

    text: str = Field(min_length=1, max_length=1000)
    is_pattern: bool = Field(default=False, description="take the text for a regular expression")
    files: str | None = Field(
        default=None, max_length=200, description="shell pattern of the files, such as *.py"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_a_command_line(cls, values: Any) -> Any:
        """`SEARCH <text> in <files>`; a text between slashes is a pattern."""
        match values:
            case {"text": [*words]} if all(isinstance(word, str) for word in words):
                others = {name: value for name, value in values.items() if name != "text"}
                if len(words) > 2 and words[-2] == "in" and set(words[-1]) & set("*./"):
                    *words, _, files = words
                    others = {"files": files, **others}
                text = " ".join(words)
                if len(text) > 2 and text[0] == text[-1] == "/":
                    return {"is_pattern": True, **others, "text": text[1:-1]}
                return {**others, "text": text}
            case _:
                return values


class SearchStore(Tool[SearchArguments]):
    """Looks through all files in a box, where no pattern can hold anything up but itself."""

    name: ClassVar[str] = "search"
    description: ClassVar[str] = "find a text, or a /pattern/, in all files or in <files>"
    fenced_words: ClassVar[str] = "<text> [in <files>]"
    rest: ClassVar[str | None] = "text"
    arguments = SearchArguments

    def carry_out(self, arguments: SearchArguments, workspace: Workspace) -> ToolResult:
        try:
            hits = workspace.outlines.search(arguments.text, arguments.is_pattern, arguments.files)
        except NotMapped as error:
            return ToolResult(f"The search gave no result: {error}.", ok=False)
        where = f" in {arguments.files}" if arguments.files else ""
        if not hits.lines:
            return ToolResult(f"{arguments.text[:200]!r} stands nowhere{where}.{_notes(hits)}")
        text = cut("\n".join(hits.lines), workspace.observation_characters)
        return ToolResult(f"{len(hits.lines)} lines{where}:{_notes(hits)}\n{untrusted(text)}")


def _notes(hits: Hits) -> str:
    """What the lines do not say."""
    notes = []
    if hits.any_case:
        notes.append("in other case only")
    if hits.more_hits:
        more = f", {hits.more_files} further files among them" if hits.more_files else ""
        notes.append(f"{hits.more_hits} more lines are left out{more}")
    if hits.not_text:
        notes.append(f"{hits.not_text} files are no text")
    return f" ({'; '.join(notes)})" if notes else ""
