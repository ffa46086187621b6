"""What the model may do. One file a tool."""

from __future__ import annotations

from lmac.tools.delete_file import DeleteFile
from lmac.tools.finish import Finish
from lmac.tools.give_program import GiveProgram
from lmac.tools.list_files import ListFiles
from lmac.tools.read_file import ReadFile
from lmac.tools.run_program import RunProgram
from lmac.tools.run_tests import RunTests
from lmac.tools.tool import EvaluationRequested, FinishRequested, ProgramGiven, ToolResult, Workspace
from lmac.tools.toolbox import Toolbox
from lmac.tools.write_file import WriteFile

__all__ = [
    "EvaluationRequested",
    "FinishRequested",
    "ProgramGiven",
    "ToolResult",
    "Toolbox",
    "Workspace",
    "bootstrap_toolbox",
    "instruction_toolbox",
]


def instruction_toolbox() -> Toolbox:
    """What is offered while an instruction is carried out."""
    return Toolbox(
        (WriteFile(), ReadFile(), ListFiles(), DeleteFile(), RunProgram(), RunTests(), Finish()),
    )


def bootstrap_toolbox(most_instructions: int) -> Toolbox:
    """What is offered while the program is written."""
    return Toolbox((GiveProgram(most_instructions),))
