"""Stand-ins of the subject's objects in the judge: what each of them is equal to is decided here.

A handle is equal to no plain data, whatever the subject's `__eq__` says. An object that is plain data too is
a plain copy of that data in every comparison, sum and look into it: an `IntEnum` or a named tuple carries the
copy, a list or a dict of a class of its own has its contents fetched. No operator of those is the subject's,
and so `+=` changes the copy.

An operator between any other handle and a value of the suite is the subject's to answer: the value would have
to be told, and such answers are counted. What asks about the object alone (truth, length, iteration, text,
calls with arguments that the suite chose to give) tells nothing that is expected, and is asked for freely.
"""

from __future__ import annotations

import secrets
from typing import Any

from .frames import Frame
from .plain_values import PLAIN_COPIES
from .subject_client import SubjectClient

_ASKED_DUNDERS = frozenset(
    f"__{name}__"
    for name in (
        *("name", "qualname", "module", "doc", "annotations", "members", "match_args", "version", "author"),
        *("dict", "slots", "defaults", "kwdefaults", "file", "all", "mro", "bases", "class_getitem"),
        *("notes", "cause", "context", "init", "post_init"),
    )
)
"""Of names with two underscores at both ends: pytest looks for others in everything that it meets."""


class Handle:
    """An object that lives with the subject."""

    __slots__ = ("__weakref__", "_lmac_client", "_lmac_id", "_lmac_kinds", "_lmac_seen")

    _lmac_client: SubjectClient
    _lmac_id: int
    _lmac_kinds: dict[str, frozenset[int]]
    """What was told of its classes; asked for once."""
    _lmac_seen: int
    """How often it came; all of them are given back together."""
    _lmac_base: type | None = None
    """The plain container that it is too."""
    _lmac_names: frozenset[str] = frozenset()

    def __getattr__(self, name: str) -> Any:
        return _attribute(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_lmac_"):
            object.__setattr__(self, name, value)
            return
        client = self._lmac_client
        client.ask("set", of=self._lmac_id, name=name, value=client.codec.encode(value))

    def __delattr__(self, name: str) -> None:
        self._lmac_client.ask("delete", of=self._lmac_id, name=name)

    def __dir__(self) -> list[str]:
        return [name for name in self._lmac_client.ask("dir", of=self._lmac_id) if isinstance(name, str)]

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # A real type in any case: the abstract classes of the standard library ask for no less.
        return self._lmac_base or type(self)

    def __eq__(self, other: object) -> Any:
        if self._lmac_base is not None:
            return contents(self) == contents(other)
        if not is_handle(other):
            return False
        if self is other or "__eq__" not in self._lmac_names:
            # Which of its objects are one, and which are two, is its word too.
            self._lmac_client.answered_operators += 1
            return True if self is other else NotImplemented
        return _equal_by_subject(self, other)

    def __ne__(self, other: object) -> Any:
        answer = self.__eq__(other)
        return answer if answer is NotImplemented else not answer

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __repr__(self) -> str:
        return text_of(self, "__repr__")

    def __str__(self) -> str:
        return text_of(self, "__str__")

    def __format__(self, form: str) -> str:
        return text_of(self, "__format__", form)

    def __copy__(self) -> Any:
        return self._lmac_client.special(self._lmac_id, "__copy__")

    def __deepcopy__(self, memo: object) -> Any:
        return self._lmac_client.special(self._lmac_id, "__deepcopy__")

    def __del__(self) -> None:
        self._lmac_client.drop(self._lmac_id, self._lmac_seen)


class ClassHandle(Handle):
    """A class of the subject that is no class of errors."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type

    def __instancecheck__(self, value: object) -> bool:
        return is_stand_in(value) and self._lmac_id in _classes(value, "kinds")

    def __subclasscheck__(self, kind: object) -> bool:
        return issubclass(type(kind), ClassHandle) and self._lmac_id in _classes(kind, "ancestors")

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        raise TypeError("the suite cannot derive from a class of the subject; the form in-process can")


class Carried:
    """Mixed into a plain type: data that is compared here, of a class that lives with the subject."""

    _lmac_client: SubjectClient
    _lmac_id: int
    _lmac_kinds: dict[str, frozenset[int]]

    def __getattr__(self, name: str) -> Any:
        return _attribute(self, name)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self


def described(value: object) -> Frame | None:
    """The mark of a stand-in that goes back to the subject; None of anything else."""
    return {"$": "object", "id": value._lmac_id} if is_stand_in(value) else None  # type: ignore[attr-defined]


def contents(value: Any) -> Any:
    """Of a handle of a plain container: a plain copy as it is now; anything else is itself."""
    if not is_handle(value) or value._lmac_base is None:
        return value
    copied = value._lmac_client.ask("contents", of=value._lmac_id)
    if type(copied) is not value._lmac_base:
        raise value._lmac_client.fault("the contents of an object are of another type", dead=True)
    return copied


def plain(value: Any) -> Any:
    """The data of a stand-in that carries some, or that is a list, dict, set or bytearray; else the value."""
    if issubclass(type(value), Carried):
        return PLAIN_COPIES[type(value).__mro__[2]](value)
    return contents(value)


def text_of(stand_in: Any, method: str, *arguments: object) -> str:
    """What a method of the subject's that makes a text says.

    Raises:
        TypeError: it is no text.
    """
    text = stand_in._lmac_client.special(stand_in._lmac_id, method, arguments)
    if type(text) is not str:
        raise TypeError(f"a text is expected, the subject gave {type(text).__name__}")
    return text


def is_handle(value: object) -> bool:
    """By its real type, whatever class it shows."""
    return issubclass(type(value), Handle)


def is_stand_in(value: object) -> bool:
    """By its real type, whatever class it shows."""
    return issubclass(type(value), Handle | Carried)


def _attribute(stand_in: Any, name: str) -> Any:
    is_dunder = name.startswith("__") and name.endswith("__")
    if name.startswith("_lmac_") or (is_dunder and name not in _ASKED_DUNDERS):
        raise AttributeError(f"the subject is not asked for {name!r}")
    return stand_in._lmac_client.ask("get", of=stand_in._lmac_id, name=name)


def _classes(stand_in: Any, op: str) -> frozenset[int]:
    """Numbers of its classes. The question does not say which class the suite has in mind."""
    known: frozenset[int] | None = stand_in._lmac_kinds.get(op)
    if known is None:
        numbers = stand_in._lmac_client.ask(op, of=stand_in._lmac_id)
        if type(numbers) is not list or not all(type(number) is int for number in numbers):
            raise stand_in._lmac_client.fault("the classes of an object are no numbers", dead=True)
        known = stand_in._lmac_kinds[op] = frozenset(numbers)
    return known


def _equal_by_subject(left: Any, right: object) -> Any:
    client = left._lmac_client
    answer = client.special(left._lmac_id, "__eq__", (right,))
    if answer is True and _is_equal_to_anything(left):
        raise client.fault("an object of the subject is equal to anything")
    return answer if answer is True or answer is False else NotImplemented


def _is_equal_to_anything(handle: Any) -> bool:
    decoy = secrets.token_hex(8)
    fields = {"of": handle._lmac_id, "name": "__eq__", "args": [decoy], "named": {}}
    try:
        return handle._lmac_client.ask("special", **fields) is True
    except Exception:
        # An `__eq__` that knows only its own kind, and no fault.
        return False
