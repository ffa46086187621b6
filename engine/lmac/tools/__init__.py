"""What the model may do. One file a tool."""

from __future__ import annotations

from lmac.tools.delete_file import DeleteFile
from lmac.tools.finish import Finish
from lmac.tools.list_files import ListFiles
from lmac.tools.read_file import ReadFile
from lmac.tools.revise import Revise
from lmac.tools.run_program import RunProgram
from lmac.tools.run_tests import RunTests
from lmac.tools.search_store import SearchStore
from lmac.tools.tool import EvaluationRequested, FinishRequested, RevisionRequested, ToolResult, Workspace
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


def instruction_toolbox(revisable: bool = False) -> Toolbox:
    """What is offered while an instruction is carried out.

    Args:
        revisable: Whether the model may change the program.
    """
    revising = (Revise(),) if revisable else ()
    return Toolbox(
        (
            *(WriteFile(), ReadFile(), SearchStore(), ListFiles(), DeleteFile()),
            *(RunProgram(), RunTests(), *revising, Finish()),
        ),
    )
