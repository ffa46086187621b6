"""A pytest session inside a fork of the runner, which has pytest imported already."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress

from .line_coverage import LineCoverage
from .places import WORKING_FOLDERS
from .reading import tell_reading
from .recorder import Recorder

# What pytest and ordinary tests load in a session; imported once, before any fork.
PRELOADED = (
    "pytest",
    "_pytest.assertion.rewrite",
    "_pytest.assertion.util",
    "_pytest.pytester_assertions",
    "asyncio",
    "code",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "faulthandler",
    "json",
    "pdb",
    "pprint",
    "sqlite3",
    "threading",
    "unittest.mock",
)


def preload() -> None:
    """Import what sessions need. What this image or its pytest does not have is left out."""
    try:
        from _pytest.config import default_plugins
    except ModuleNotFoundError:
        return
    for name in (*PRELOADED, *(f"_pytest.{plugin}" for plugin in default_plugins)):
        with suppress(ImportError):
            importlib.import_module(name)
    importlib.import_module(".judge", __package__)


def run_session(
    arguments: tuple[str, ...],
    folder: str,
    environment: Mapping[str, str],
    events: int,
    reading: int,
    measures_coverage: bool,
) -> int:
    """Run pytest here and tell its course over the descriptor `events`; returns pytest's exit code.

    What the files promise is told first, over `reading`, which is closed before anything of them is imported.
    """
    import pytest

    tell_reading(folder, reading)

    os.environ.clear()
    os.environ.update(environment)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(folder)
    coverage = LineCoverage(WORKING_FOLDERS["subject"]) if measures_coverage else None
    sys.path[:0] = _importable(folder)
    sys.argv = ["pytest", *arguments]
    recorder = Recorder(events, pytest.Session.Interrupted)
    if coverage:
        coverage.start()
    # Ours come last: of an option given twice the last one counts.
    code = int(pytest.main([*arguments, *_fixed_options(folder)], plugins=[recorder]))
    if coverage:
        recorder.covered(coverage.events())
    if not recorder.interrupted:
        recorder.finished(code)
    return code


def _fixed_options(folder: str) -> tuple[str, ...]:
    """No cache, no configuration of the store, and no folder whose name or content keeps its tests unseen."""
    return (
        *("-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}", f"--confcutdir={folder}"),
        *("-o", "norecursedirs=", "--collect-in-virtualenv"),
    )


def _importable(folder: str) -> list[str]:
    subject = WORKING_FOLDERS["subject"]
    sources = f"{subject}/src"
    candidates = [folder, subject, sources] if folder != subject else [subject, sources]
    return [path for path in candidates if os.path.isdir(path)]
