"""What the model may do. One file a tool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from lmac.processor.actions import EditForm
from lmac.tools.delete_file import DeleteFile
from lmac.tools.edit_file import EditFile
from lmac.tools.finish import Finish
from lmac.tools.list_files import ListFiles
from lmac.tools.patch_file import PatchFile
from lmac.tools.read_file import ReadFile
from lmac.tools.revise import Revise
from lmac.tools.run_program import RunProgram
from lmac.tools.run_tests import RunTests
from lmac.tools.search_store import SearchStore
from lmac.tools.tool import (
    EvaluationRequested,
    FinishRequested,
    RevisionRequested,
    Tool,
    ToolResult,
    Workspace,
)
from lmac.tools.toolbox import Toolbox
from lmac.tools.write_file import WriteFile

__all__ = [
    "EvaluationRequested",
    "FinishRequested",
    "RevisionRequested",
    "ToolResult",
    "Toolbox",
    "Workspace",
    "instruction_toolbox",
]


def instruction_toolbox(revisable: bool = False, edits: Sequence[EditForm] = (EditForm.WHOLE,)) -> Toolbox:
    """What is offered while an instruction is carried out.

    Args:
        revisable: Whether the model may change the program.
        edits: The ways in which files may be changed, in the order in which they are offered.
    """
    changing = tuple(_changing(form) for form in edits)
    revising = (Revise(),) if revisable else ()
    reading = (ReadFile(), SearchStore(), ListFiles(), DeleteFile(), RunProgram(), RunTests())
    return Toolbox((*changing, *reading, *revising, Finish()))


def _changing(form: EditForm) -> Tool[Any]:
    match form:
        case EditForm.WHOLE:
            return WriteFile()
        case EditForm.REPLACE:
            return EditFile()
        case EditForm.PATCH:
            return PatchFile()
        case _:
            assert_never(form)
