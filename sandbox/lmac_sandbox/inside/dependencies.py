"""How processes of generated code, and no others, find the packages that it asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from .places import DEPENDENCIES


def with_dependencies(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that may import them, and whose children may; as it is where none lie."""
    if not os.path.isdir(DEPENDENCIES):
        return dict(environment)
    own = environment.get("PYTHONPATH")
    return {**environment, "PYTHONPATH": f"{own}:{DEPENDENCIES}" if own else DEPENDENCIES}


def append_dependencies() -> None:
    """Let this interpreter import them, after everything that the image brings."""
    if os.path.isdir(DEPENDENCIES):
        sys.path.append(DEPENDENCIES)
