"""Our own programs for boxes: forked from the runner as the job's user, so that no interpreter starts."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping

PROGRAMS = ("matching", "node_syntax", "node_tests", "store_map", "store_search", "syntax", "text")
"""Modules of this package, each with a `main()` that reads its arguments from `sys.argv[1:]`.

They themselves load neither code nor configuration from the working folder.
"""


def load_programs() -> Iterator[None]:
    """Import them, one a step, before any fork; what stays undone is imported by the fork that runs it."""
    for name in PROGRAMS:
        importlib.import_module(f".{name}", __package__)
        yield


def run_program(name: str, arguments: tuple[str, ...], folder: str, environment: Mapping[str, str]) -> int:
    """Run one of `PROGRAMS` in this process; returns its exit code."""
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = [name, *arguments]
        importlib.import_module(f".{name}", __package__).main()
    finally:
        # The fork ends without the interpreter's own farewell.
        if isinstance(error := sys.exception(), Exception):
            traceback.print_exception(error)
    return 0
