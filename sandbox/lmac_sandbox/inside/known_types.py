"""Types that subject and judge both have: they travel by name, and only by a name of this list."""

from __future__ import annotations

import builtins
import importlib
import sys

_ERRORS = {
    "argparse": ("ArgumentError", "ArgumentTypeError"),
    "asyncio": ("IncompleteReadError", "InvalidStateError", "LimitOverrunError", "QueueEmpty", "QueueFull"),
    "binascii": ("Error",),
    "concurrent.futures": ("BrokenExecutor",),
    "configparser": (
        *("DuplicateOptionError", "DuplicateSectionError", "Error", "NoOptionError", "NoSectionError"),
        *("MissingSectionHeaderError", "ParsingError"),
    ),
    "csv": ("Error",),
    "dataclasses": ("FrozenInstanceError",),
    "decimal": ("DecimalException", "DivisionByZero", "InvalidOperation", "Overflow"),
    "graphlib": ("CycleError",),
    "io": ("UnsupportedOperation",),
    "json": ("JSONDecodeError",),
    "queue": ("Empty", "Full"),
    "re": ("error",),
    "sqlite3": ("DatabaseError", "Error", "IntegrityError", "OperationalError", "ProgrammingError"),
    "statistics": ("StatisticsError",),
    "struct": ("error",),
    "subprocess": ("CalledProcessError", "SubprocessError", "TimeoutExpired"),
    "threading": ("BrokenBarrierError",),
    "tomllib": ("TOMLDecodeError",),
    "urllib.error": ("HTTPError", "URLError"),
    "zipfile": ("BadZipFile",),
    "zoneinfo": ("ZoneInfoNotFoundError",),
}
"""Errors of the standard library by the module that documents them."""

_PLAIN = (
    *(object, type, bool, int, float, complex, str, bytes, bytearray),
    *(list, tuple, dict, set, frozenset, range, slice, type(None)),
)


def name_of(known: type) -> str | None:
    """The name by which the type travels; None when it is not of the list."""
    if known in _PLAIN or _is_builtin_error(known):
        return f"builtins.{known.__name__}"
    for module, names in _ERRORS.items():
        for name in names if module in sys.modules else ():
            if getattr(sys.modules[module], name, None) is known:
                return f"{module}.{name}"
    return None


def type_named(name: str) -> type:
    """The type that travels by this name.

    Raises:
        ValueError: the name is not of the list.
    """
    module, _, attribute = name.rpartition(".")
    if module == "builtins":
        found = type(None) if attribute == "NoneType" else getattr(builtins, attribute, None)
        if isinstance(found, type) and (found in _PLAIN or _is_builtin_error(found)):
            return found
    elif attribute in _ERRORS.get(module, ()):
        known: type = getattr(importlib.import_module(module), attribute)
        return known
    raise ValueError(f"no known type {name[:100]!r}")


def _is_builtin_error(known: type) -> bool:
    """Those that end a program or a test session on their way up are none: they derive from BaseException."""
    return known.__module__ == "builtins" and issubclass(known, Exception)
