"""Objects of the suite that were handed to the subject, and what it may do with them: call back, no more.

A function of the standard library goes by name, so that the subject uses its own. Modules, and what leads
from an object to the code of the suite (frames, generators' insides, names with an underscore), stay closed.
"""

from __future__ import annotations

import inspect
import operator
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from _pytest.outcomes import OutcomeException

from .frames import Frame
from .plain_values import Codec, NotPlain
from .suite_objects import CALLED_BACK

_CLOSED = (
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, type),
    *(types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType),
    *(types.FrameType, types.TracebackType, types.CodeType),
)
"""They may be called or iterated over; they show no attribute."""

_DONE: Mapping[str, Callable[..., Any]] = {
    "__eq__": operator.eq,
    "__lt__": operator.lt,
    "__le__": operator.le,
    "__gt__": operator.gt,
    "__ge__": operator.ge,
    "__hash__": hash,
    "__len__": len,
    "__bool__": bool,
    "__iter__": iter,
    "__next__": next,
    "__getitem__": operator.getitem,
    "__contains__": operator.contains,
    "__enter__": lambda value: type(value).__enter__(value),
    "__exit__": lambda value, *reason: type(value).__exit__(value, *reason),
}


_ERRORS = (Exception, OutcomeException)
"""The second is how pytest's own functions end a test; it is none of the first."""


class ErrorNotes(Protocol):
    """Keeps an error of the suite until it comes back."""

    def noted(self, error: BaseException) -> Frame: ...


class ShownObjects:
    """By number; they live as long as the session."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._objects: dict[int, object] = {}
        self._numbers: dict[int, int] = {}

    def described(self, value: object) -> Frame:
        """The mark under which the subject gets it.

        Raises:
            NotPlain: it is none that may be handed over.
        """
        if isinstance(value, types.ModuleType | types.FrameType | types.CodeType | types.TracebackType):
            raise NotPlain(f"a {type(value).__name__} cannot be handed to the subject")
        if (place := _standard_place(value)) is not None:
            return {"$": "by-name", "module": place[0], "name": place[1]}
        number = self._numbers.setdefault(id(value), len(self._numbers) + 1)
        self._objects[number] = value
        methods = [name for name in CALLED_BACK if getattr(type(value), name, None) is not None]
        if type(value).__eq__ is object.__eq__:
            methods = [
                name for name in methods if name not in ("__eq__", "__lt__", "__le__", "__gt__", "__ge__")
            ]
        return {"$": "suite", "id": number, "methods": methods}

    def object(self, number: int) -> object:
        """The suite's own object again.

        Raises:
            NotPlain: none was handed over under that number.
        """
        if number not in self._objects:
            raise NotPlain("the suite handed over no such object")
        return self._objects[number]

    def called(self, frame: Frame, errors: ErrorNotes) -> Frame:
        """Do what the subject asks of an object; the reply."""
        try:
            match frame:
                case {"of": int(number), "name": str(name), "args": list(args), "named": dict(named)}:
                    values = [self._codec.decode(value) for value in args]
                    keywords = {key: self._codec.decode(value) for key, value in named.items()}
                    return {"value": self._codec.encode(_done(self.object(number), name, values, keywords))}
                case _:
                    raise NotPlain("a callback without its fields")
        except _ERRORS as error:
            # The suite's own code raised it: it goes through the subject as in any program.
            return {"error": errors.noted(error)}


def _done(value: Any, name: str, arguments: list[Any], named: dict[str, Any]) -> object:
    if name == "__call__":
        return value(*arguments, **named)
    if name == "get":
        return _public(value, *arguments)
    if name not in _DONE:
        raise NotPlain("the subject may not ask that of an object of the suite")
    return _DONE[name](value, *arguments)


def _public(value: object, name: object) -> object:
    if (
        not isinstance(name, str)
        or name.startswith("_")
        or isinstance(value, _CLOSED)
        or _steers(value, name)
    ):
        raise AttributeError(f"the suite's object shows no {str(name)[:100]!r}")
    return getattr(value, name)


def _steers(value: object, name: str) -> bool:
    """Whether a mock of the suite is set up or asked by it: `configure_mock` could replace its assertions."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(value, mock.NonCallableMock) and name in dir(mock.MagicMock())


def _standard_place(value: object) -> tuple[str, str] | None:
    """Module and name of a function or class of the standard library."""
    if not isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return None
    module, name = getattr(value, "__module__", None), value.__qualname__
    if not isinstance(module, str) or module.partition(".")[0] not in (*sys.stdlib_module_names, "builtins"):
        return None
    found = inspect.getattr_static(sys.modules.get(module), name, None)
    return (module, name) if found is value else None
