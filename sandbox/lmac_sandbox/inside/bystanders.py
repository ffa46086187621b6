"""Files that look as if they decided something about a test session, told by their names and first bytes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator

from .expected import is_test_file
from .notices import Notice, NoticeKind

_CONFIGURATION = {
    "pytest.ini": re.compile(rb""),
    ".pytest.ini": re.compile(rb""),
    "pytest.toml": re.compile(rb""),
    ".pytest.toml": re.compile(rb""),
    "tox.ini": re.compile(rb"^\[pytest\]", re.MULTILINE),
    "setup.cfg": re.compile(rb"^\[tool:pytest\]", re.MULTILINE),
    "pyproject.toml": re.compile(rb"^\[tool\.pytest\b", re.MULTILINE),
    ".coveragerc": re.compile(rb""),
}
_START_UP = frozenset({"sitecustomize.py", "usercustomize.py"})
_JUDGES = frozenset({"pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments"})
_SOURCE_FOLDERS = ("", "src/")
"""Of the store, that stand before the standard library on a session's path."""


def read_names(paths: Iterable[str], head: Callable[[str], bytes]) -> Iterator[Notice]:
    """Notices on the files of a folder.

    Args:
        head: The beginning of a file; asked for few.
    """
    shadows: set[str] = set()
    for path in paths:
        folder, _, name = path.rpartition("/")
        if (pattern := _CONFIGURATION.get(name)) and pattern.search(head(path)):
            yield _no_effect(path, "the checks have their own configuration")
        elif name in _START_UP or name.endswith(".pth"):
            yield _no_effect(path, "start-up files of the store are never loaded")
        elif name.endswith(".xml") and b"<testsuite" in head(path):
            yield _no_effect(path, "a report in a file is read by nobody")
        elif name.endswith((".pyc", ".pyo")):
            text = "a compiled file can stand for another source than the one beside it: delete it"
            yield Notice(NoticeKind.HIDDEN, path, 0, text)
        elif is_test_file(path) and "__pycache__" in folder.split("/"):
            yield Notice(NoticeKind.HIDDEN, path, 0, "pytest never looks into __pycache__: move it")
        if (module := _top_module(path)) and module not in shadows and _is_taken(module):
            shadows.add(module)
            text = f"{module} is a module of Python or pytest too, which may come first: choose another name"
            yield Notice(NoticeKind.SHADOWS, path, 0, text)


def _top_module(path: str) -> str:
    """The name under which a session could import it first; "" for none."""
    for folder in _SOURCE_FOLDERS:
        below = path.removeprefix(folder)
        if (not folder or below != path) and below.endswith(".py"):
            first, divided, rest = below.partition("/")
            if not divided:
                return first.removesuffix(".py")
            if rest == "__init__.py":
                return first
    return ""


def _is_taken(module: str) -> bool:
    return module in sys.stdlib_module_names or module in _JUDGES


def _no_effect(path: str, text: str) -> Notice:
    return Notice(NoticeKind.NO_EFFECT, path, 0, f"no effect: {text}")
