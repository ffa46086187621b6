"""`edit`: parts of a file, by search and replace."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from lmac.processor.actions import EDIT
from lmac.tools.changing import edited
from lmac.tools.replacing import Replacement, replaced
from lmac.tools.tool import Arguments, Tool, ToolResult, Workspace

MOST_REPLACEMENTS = 64


class ReplacementArguments(Arguments):
    """One text that stands at exactly one place."""

    search: str = Field(description="lines of the file as they are now; they must stand there exactly once")
    replace: str = Field(description="what shall stand in their place")


class EditArguments(Arguments):
    """Which file, and what is replaced in it, in order."""

    path: str
    replacements: list[ReplacementArguments] = Field(min_length=1, max_length=MOST_REPLACEMENTS)

    @model_validator(mode="before")
    @classmethod
    def _takes_a_single_one(cls, given: Any) -> Any:
        """Models give a single replacement without its list."""
        if isinstance(given, dict) and set(given) == {"path", "search", "replace"}:
            return {"path": given["path"], "replacements": [{k: given[k] for k in ("search", "replace")}]}
        return given


class EditFile(Tool[EditArguments]):
    """Makes all replacements of a call, or none."""

    name: ClassVar[str] = EDIT
    description: ClassVar[str] = "replace parts of a file; the rest of it stays as it is"
    arguments = EditArguments

    def carry_out(self, arguments: EditArguments, workspace: Workspace) -> ToolResult:
        replacements = [Replacement(each.search, each.replace) for each in arguments.replacements]
        count = len(replacements)
        what = f"{count} replacements" if count > 1 else "1 replacement"
        return edited(arguments.path, lambda text: replaced(text, replacements), workspace, what)
