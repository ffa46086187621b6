"""Modules of the subject in the judge: the last finder of all, for names that were listed beforehand."""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .frames import Frame
from .places import JUDGE_SUITE, WORKING_FOLDERS
from .subject_client import SubjectClient

_NAMES = 4096
_HANDLE = "_lmac_handle"
_KEPT = frozenset({*dir(builtins), *sys.stdlib_module_names, "pytest"})
_LOOKED_FOR = frozenset({"attr", "mock", "numpy", "pexpect", "pkg_resources", "twisted"})
"""What pytest asks once somebody has imported it."""


def list_modules() -> Frame:
    """Top-level modules and packages of the subject; runs as its user, before any of its code."""
    subject = WORKING_FOLDERS["subject"]
    names: set[str] = set()
    for folder in (subject, f"{subject}/src"):
        if os.path.isdir(folder):
            names |= {_module_name(entry) for entry in os.scandir(folder)}
    return {"modules": sorted(name for name in names if name.isidentifier())[:_NAMES]}


def _module_name(entry: os.DirEntry[str]) -> str:
    """The name under which it is imported; "" when it is none."""
    if entry.is_dir(follow_symlinks=False):
        return entry.name
    return entry.name.removesuffix(".py") if entry.name.endswith(".py") else ""


def shadowing(names: Sequence[str]) -> list[str]:
    """Of the subject's modules those that the judge never sees: the standard library's win."""
    return [name for name in names if name in sys.stdlib_module_names]


class SubjectFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a listed name by asking the subject to import it."""

    def __init__(self, client: SubjectClient, names: Sequence[str]) -> None:
        self._client = client
        self._names = frozenset(names) - _LOOKED_FOR

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in self._names or not _suite_asks():
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="subject")

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        handle, is_package, public = self._client.ask("import", name=spec.name)
        module = SubjectModule(spec.name)
        _own(module)[_HANDLE] = handle
        if is_package is True:
            spec.submodule_search_locations = []
        # `import *` must not replace what the suite compares and expects with.
        _own(module)["__all__"] = [name for name in public if isinstance(name, str) and name not in _KEPT]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """The subject has executed it already."""


def _suite_asks() -> bool:
    """Whether the import stands in the suite.

    The standard library and pytest try modules that are not installed, such as `org` and `numpy`.
    """
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "importlib":
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(f"{JUDGE_SUITE}/")


class SubjectModule(types.ModuleType):
    """Its names are the subject's, asked for each time."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        """For those who look a name up there, as pytest's `monkeypatch` does."""
        return _Names(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in ("__version__", "__author__"):
            raise AttributeError(f"module {self.__name__!r} of the subject shows no {name!r}")
        return getattr(_own(self)[_HANDLE], name)

    def __setattr__(self, name: str, value: object) -> None:
        # The import system sets names of its own, and submodules.
        if name.startswith("__") or type(value) is SubjectModule:
            super().__setattr__(name, value)
        else:
            setattr(_own(self)[_HANDLE], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_own(self)[_HANDLE], name)


class _Names(Mapping[str, Any]):
    """A module's names with what they stand for now."""

    def __init__(self, module: SubjectModule) -> None:
        self._module = module

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._module, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(dir(_own(self._module)[_HANDLE]))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _own(module: types.ModuleType) -> dict[str, Any]:
    """The dictionary that every module object has, past the property above."""
    members: Any = vars(types.ModuleType)
    own: dict[str, Any] = members["__dict__"].__get__(module)
    return own
