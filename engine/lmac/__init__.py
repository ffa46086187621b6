"""LMAC, an LLM automatic computer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmac.api import EventStream, generate, generate_book, generate_codebase, stream
    from lmac.config import RunConfig
    from lmac.errors import LmacError, RunCancelled
    from lmac.journal import Event
    from lmac.program import Task
    from lmac.report.result import RunResult
    from lmac.transitions import Outcome

__version__ = "0.1.0"

__all__ = [
    "Event",
    "EventStream",
    "LmacError",
    "Outcome",
    "RunCancelled",
    "RunConfig",
    "RunResult",
    "Task",
    "__version__",
    "generate",
    "generate_book",
    "generate_codebase",
    "stream",
]

# `import lmac` alone, as every module of it does, costs next to nothing.
_IMPORTED_ON_USE = {
    "Event": "journal",
    "EventStream": "api",
    "LmacError": "errors",
    "Outcome": "transitions",
    "RunCancelled": "errors",
    "RunConfig": "config",
    "RunResult": "report.result",
    "Task": "program",
    "generate": "api",
    "generate_book": "api",
    "generate_codebase": "api",
    "stream": "api",
}


def __getattr__(name: str) -> Any:
    """Import what was left out, when it is first asked for."""
    if name not in _IMPORTED_ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_IMPORTED_ON_USE[name]}"), name)
