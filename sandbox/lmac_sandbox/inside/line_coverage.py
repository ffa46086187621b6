"""Which lines of the subject a test session runs, measured in its own process: what it says is a claim."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from typing import Any

from .events import COVERED_FILES, MISSING_LINES, Event
from .expected import is_test_file
from .tree import Tree


class LineCoverage:
    """Measures every Python file of a folder that is no file of tests, imported or not.

    Made before the folder is importable, so that no file of it stands for the package that measures.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        package: Any = importlib.import_module("coverage")
        self._broken: type[Exception] = package.CoverageException
        self._measuring = package.Coverage(
            data_file=None, config_file=False, source=[folder], messages=False, check_preimported=False
        )
        # A comment of the store must not take lines out of the count.
        self._measuring.clear_exclude()

    def start(self) -> None:
        """From here on every line counts."""
        self._measuring.start()

    def events(self) -> Iterator[Event]:
        """Stop, and tell file by file; a file that does not compile is left out."""
        self._measuring.stop()
        tree = Tree(self._folder)
        try:
            paths = [path for path in tree.walk() if path.endswith(".py") and not _is_of_tests(path)]
        finally:
            tree.close()
        for path in paths[:COVERED_FILES]:
            try:
                _, statements, _, missing, _ = self._measuring.analysis2(os.path.join(self._folder, path))
            except self._broken:
                continue
            yield {
                "kind": "coverage",
                "path": path,
                "statements": len(statements),
                "missed": len(missing),
                "missing": missing[:MISSING_LINES],
            }


def _is_of_tests(path: str) -> bool:
    return is_test_file(path) or path.rpartition("/")[2] == "conftest.py"
