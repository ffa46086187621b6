"""Objects of the suite as the subject sees them: it may call them back, and learns nothing else of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[[int, str, tuple[Any, ...], dict[str, Any]], Any]
"""Suite object, special method or `get`, arguments: the answer of the judge, or its error raised."""


SUITE_ERROR = "_lmac_suite_error"
"""Attribute of an error that came from the suite: the number by which the judge knows it."""


class CallbackError(Exception):
    """An error of a class that only the suite has, on its way through the subject."""


class SuiteObject:
    """Stands for one object of the suite; equal and of the same hash as that one says."""

    __slots__ = ("_lmac_ask", "_lmac_number")

    def __init__(self, number: int, ask: Ask) -> None:
        self._lmac_number = number
        self._lmac_ask = ask

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"the suite's object shows no {name!r}")
        return self._lmac_ask(self._lmac_number, "get", (name,), {})

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._lmac_ask(self._lmac_number, "__call__", arguments, named)

    def __hash__(self) -> int:
        return int(self._lmac_ask(self._lmac_number, "__hash__", (), {}))

    def __repr__(self) -> str:
        return f"<object {self._lmac_number} of the suite>"


CALLED_BACK = (
    *("__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__len__", "__bool__", "__iter__", "__next__"),
    *("__getitem__", "__contains__", "__enter__", "__exit__"),
)
"""Beside call, hash and public attributes."""


def _called_back(name: str) -> Callable[..., Any]:
    def method(self: SuiteObject, *arguments: Any) -> Any:
        return self._lmac_ask(self._lmac_number, name, arguments, {})

    method.__name__ = name
    return method


_KINDS: dict[frozenset[str], type[SuiteObject]] = {}


def suite_object(number: int, methods: frozenset[str], ask: Ask) -> SuiteObject:
    """The stand-in, with those of `CALLED_BACK` that the object really has."""
    kind = _KINDS.get(methods)
    if kind is None:
        namespace: dict[str, Any] = {name: _called_back(name) for name in sorted(methods)}
        # A class that defines equality alone would lose its hash.
        namespace |= {"__slots__": (), "__hash__": SuiteObject.__hash__}
        kind = _KINDS[methods] = type("SuiteObject", (SuiteObject,), namespace)
    return kind(number, ask)
