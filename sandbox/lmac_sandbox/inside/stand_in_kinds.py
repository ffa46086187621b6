"""Classes of stand-ins, made by the special methods that the subject's class has."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from .special_names import COMPARISONS, OPERATORS, UNHASHABLE
from .stand_ins import Carried, Handle, contents, plain, text_of

_CALLS = frozenset(
    f"__{name}__" for name in ("call", "enter", "exit", "aenter", "aexit", "await", "aiter", "anext", "next")
)
"""Asked of an object that is plain data too: plain data does none of it."""
_ITEMS = frozenset({"__getitem__", "__setitem__", "__delitem__"})
"""Of a container they are calls as well: what the class does about its items shows."""
_LOOKS = ("__len__", "__iter__", "__reversed__", "__contains__")
_METHODS = (
    *("keys", "values", "items", "count", "index", "find", "startswith", "endswith"),
    *("issubset", "issuperset", "isdisjoint"),
)
"""Looks into a container by another name; pytest itself takes them for what they are of plain ones."""
_ORDERINGS = tuple(name for name in COMPARISONS if name not in ("__eq__", "__ne__"))
_OF_HANDLES = frozenset({"__eq__", "__ne__", "__repr__", "__str__", "__format__", UNHASHABLE})
"""`Handle` has them for all classes."""


def handle_kind(base: type[Handle], names: frozenset[str], container: type | None) -> type:
    """A class of handles.

    Args:
        container: The plain one that its objects are too, if any.
    """
    namespace: dict[str, Any] = {"__slots__": (), "_lmac_names": names, "_lmac_base": container}
    if container is None:
        namespace |= _asked(names - _OF_HANDLES)
    else:
        namespace |= _of_contents(container) | _asked(names & (_CALLS | _ITEMS))
    namespace["__hash__"] = _method("__hash__") if "__hash__" in names else Handle.__hash__
    if UNHASHABLE in names:
        namespace["__hash__"] = None
    return type(base.__name__, (base,), namespace)


def carried_kind(base: type, names: frozenset[str]) -> type:
    """A class of plain values: all that the plain type can do is done by the plain type."""
    namespace: dict[str, Any] = _asked(names & _CALLS)
    if "__repr__" in names:
        # It has no operand, and what comes back is a plain text.
        namespace["__repr__"] = lambda self: text_of(self, "__repr__")
    # Some plain types leave these to `repr`.
    namespace["__str__"] = lambda self: str(plain(self))
    namespace["__format__"] = lambda self, form: format(plain(self), form)
    return type(base.__name__, (Carried, base), namespace)


def _of_contents(container: type) -> dict[str, Any]:
    """What the container can do, done with a copy of it."""
    names = [name for name in (*_ORDERINGS, *OPERATORS, *_LOOKS, *_METHODS) if hasattr(container, name)]
    namespace: dict[str, Any] = {name: _on_contents(container, name) for name in names}
    namespace["__str__"] = lambda self: str(contents(self))
    namespace["__format__"] = lambda self, form: format(contents(self), form)
    return namespace


def _on_contents(container: type, name: str) -> Callable[..., Any]:
    done = getattr(container, name)

    def method(self: Any, *arguments: Any) -> Any:
        return done(contents(self), *map(contents, arguments))

    method.__name__ = name
    return method


def _asked(names: frozenset[str]) -> dict[str, Any]:
    return {name: _OWN.get(name) or _method(name) for name in sorted(names)}


def _method(name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return self._lmac_client.special(self._lmac_id, name, arguments, named)

    method.__name__ = name
    return method


def _await(self: Any) -> Generator[None, None, Any]:
    value = self._lmac_client.ask("await", of=self._lmac_id)
    yield from ()
    return value


def _exit(self: Any, kind: object, error: BaseException | None, trace: object) -> Any:
    # Frames of the suite stay here.
    told = _told(error)
    answer = self._lmac_client.special(self._lmac_id, "__exit__", (told and type(told), told, None))
    return answer if told is error else False


async def _aexit(self: Any, kind: object, error: BaseException | None, trace: object) -> Any:
    told = _told(error)
    answer = await self._lmac_client.special(self._lmac_id, "__aexit__", (told and type(told), told, None))
    return answer if told is error else False


def _told(error: BaseException | None) -> BaseException | None:
    """The error as the subject gets it: a failed test is told without words, and goes on whatever it says."""
    is_verdict = isinstance(error, AssertionError) or not isinstance(error, Exception | None)
    return AssertionError() if is_verdict else error


_OWN = {"__await__": _await, "__exit__": _exit, "__aexit__": _aexit}
