"""The toolbox validates what a model asks for and hands it to the tool."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from lmac.messages import Action
from lmac.processor.actions import ToolForm
from lmac.tools.tool import Tool, ToolResult, Workspace


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools that are offered, by name. Source: L2MAC, section 3.3 (the read/write component)."""

    tools: tuple[Tool[Any], ...]

    def forms(self) -> tuple[ToolForm, ...]:
        return _forms(self.tools)

    def carry_out(self, action: Action, workspace: Workspace) -> ToolResult:
        """Carry out one action; an unknown tool or wrong arguments are results for the model to read."""
        tool = next((tool for tool in self.tools if tool.name == action.name), None)
        if tool is None:
            return ToolResult(self._unknown(action.name), ok=False)
        try:
            arguments = tool.arguments.model_validate(action.arguments)
        except ValidationError as error:
            return ToolResult(f"{action.name}: {_faults(error)}", ok=False)
        return tool.carry_out(arguments, workspace)

    def _unknown(self, name: str) -> str:
        names = [tool.name for tool in self.tools]
        near = difflib.get_close_matches(name[:40], names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"There is no tool {name[:40]!r}; there are {', '.join(names)}.{hint}"


@lru_cache(maxsize=16)
def _forms(tools: tuple[Tool[Any], ...]) -> tuple[ToolForm, ...]:
    """Made once: a schema takes pydantic a millisecond, and every turn asks."""
    return tuple(tool.form() for tool in tools)


def _faults(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in fault["loc"])[:80]
        faults.append(f"{place}: {fault['msg']}" if place else fault["msg"])
    return "; ".join(faults[:5])
