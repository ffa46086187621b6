"""What the model may do. One file a tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from lmac.processor.actions import EditForm
from lmac.tools.delete_file import DeleteFile
from lmac.tools.edit_file import EditFile
from lmac.tools.finish import Finish
from lmac.tools.list_files import ListFiles
from lmac.tools.patch_file import PatchFile
from lmac.tools.read_file import ReadFile
from lmac.tools.retire_test import RetireTest
from lmac.tools.revise import Revise
from lmac.tools.run_program import RunProgram
from lmac.tools.run_tests import RunTests
from lmac.tools.search_store import SearchStore
from lmac.tools.tool import (
    EvaluationRequested,
    FinishRequested,
    RetiredTest,
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
    "RetiredTest",
    "RevisionRequested",
    "ToolResult",
    "Toolbox",
    "Workspace",
    "instruction_toolbox",
    "with_justifications",
    "without_evaluator",
    "without_files_of",
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


def without_evaluator(toolbox: Toolbox) -> Toolbox:
    """For a machine that judges nothing while it works."""
    return Toolbox(tuple(tool for tool in toolbox.tools if tool.name != RunTests.name))


def with_justifications(toolbox: Toolbox) -> Toolbox:
    """Once an instruction was closed, whose tests count as evidence from then on."""
    return Toolbox((*toolbox.tools[:-1], RetireTest(), toolbox.tools[-1]))


def without_files_of(later: Mapping[str, int], toolbox: Toolbox) -> Toolbox:
    """For a step that leaves to later ones what only they name.

    Args:
        later: Numbers of the later steps by path.
    """
    return Toolbox(tuple(WriteFile(later) if tool.name == WriteFile.name else tool for tool in toolbox.tools))
