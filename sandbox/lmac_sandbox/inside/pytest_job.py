"""A pytest session inside a fork of the runner, which has pytest imported already."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .dependencies import append_dependencies
from .line_coverage import LineCoverage
from .places import WORKING_FOLDERS
from .reading import tell_reading
from .recorder import Recorder

if TYPE_CHECKING:
    from _pytest.config import Config

# What every session loads, then what ordinary tests load.
_OF_PYTEST = (
    "pytest",
    "_pytest._argcomplete",
    "_pytest.assertion.rewrite",
    "_pytest.assertion.util",
    "_pytest.pytester_assertions",
    "difflib",
    "pprint",
    "readline",
)
_OF_TESTS = (
    "code",
    "dataclasses",
    "datetime",
    "decimal",
    "json",
    "pdb",
    "sqlite3",
    "threading",
)
_WITHOUT_USE = ("cacheprovider", "pastebin", "setuponly", "setupplan", "stepwise")
"""Plugins that do nothing without options of their own, which no session here is given."""

_prepared: list[Config] = []
"""At most one configuration of pytest, made before the fork."""
_named: list[ModuleType] = []
"""Plugins that say of themselves only what are fixtures."""


def prepare() -> Iterator[None]:
    """Do ahead of the fork, step by step, what a session need not do after it.

    Any step may stay undone: the session then does it. What this image or its pytest does not have is left
    out.
    """
    for name in _OF_PYTEST:
        _import(name)
        yield
    try:
        from _pytest.config import default_plugins
    except ModuleNotFoundError:
        return

    for plugin in default_plugins:
        _import(f"_pytest.{plugin}")
    yield
    _prepare_configuration()
    yield
    _name_fixtures()
    yield
    for name in _OF_TESTS:
        _import(name)
        yield


def _import(name: str) -> None:
    with suppress(ImportError):
        importlib.import_module(name)


def _prepare_configuration() -> None:
    """Register pytest's own plugins, a fifth of a short session; they ask neither folder nor arguments."""
    from _pytest import config

    own = config.get_config

    def prepared(args: Any = None, plugins: Any = None, *, prog: str | None = None) -> Config:
        # Once: a test may run a session of its own inside this one.
        config.get_config = own
        made = _prepared.pop()
        made.invocation_params = config.Config.InvocationParams(args=args, plugins=plugins, dir=Path.cwd())
        return made

    _prepared.append(own(plugin_options(), prog="pytest.main()"))
    config.get_config = prepared


def _name_fixtures() -> None:
    """Say which names of pytest's own plugins are fixtures; a session would look at all two thousand.

    Of modules only, which are registered by now: of an object that is yet to be registered, pytest finds the
    hooks by `dir` as well.
    """
    from _pytest.config import default_plugins

    for plugin in default_plugins:
        module = sys.modules[f"_pytest.{plugin}"]
        module.__dir__ = partial(list, _fixtures(module))  # type: ignore[method-assign]
        _named.append(module)


def _fixtures(plugin: ModuleType) -> list[str]:
    from _pytest.fixtures import FixtureFunctionDefinition

    return [name for name, value in vars(plugin).items() if isinstance(value, FixtureFunctionDefinition)]


class NamesRestored:
    """A plugin: once pytest has looked, and before any test is read, `dir` tells the whole again."""

    def pytest_collection(self) -> None:
        while _named:
            del _named.pop().__dir__


def plugin_options() -> list[str]:
    return [option for plugin in _WITHOUT_USE for option in ("-p", f"no:{plugin}")]


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
    append_dependencies()
    sys.argv = ["pytest", *arguments]
    recorder = Recorder(events, pytest.Session.Interrupted)
    if coverage:
        coverage.start()
    # Ours come last: of an option given twice the last one counts.
    plugins = [recorder, NamesRestored()]
    code = int(pytest.main([*arguments, *fixed_options(folder)], plugins=plugins))
    if coverage:
        recorder.covered(coverage.events())
    if not recorder.interrupted:
        recorder.finished(code)
    return code


def fixed_options(folder: str) -> tuple[str, ...]:
    """No cache, no configuration of the store, and no folder whose name or content keeps its tests unseen."""
    return (
        *plugin_options(),
        *("-c", os.devnull, f"--rootdir={folder}", f"--confcutdir={folder}"),
        *("-o", "norecursedirs=", "--collect-in-virtualenv"),
    )


def _importable(folder: str) -> list[str]:
    subject = WORKING_FOLDERS["subject"]
    sources = f"{subject}/src"
    candidates = [folder, subject, sources] if folder != subject else [subject, sources]
    return [path for path in candidates if os.path.isdir(path)]
