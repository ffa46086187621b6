"""Stand-ins of the subject's objects in the judge. What a stand-in is equal to is decided here.

A handle is equal to no plain data, whatever the subject's `__eq__` says. An object that is plain data too (a
named tuple, an `IntEnum`) carries that data and is compared by it. Two handles of classes with an `__eq__` of
their own are compared by the subject: such answers are counted, and one that is equal to anything is a fault.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Mapping
from typing import Any
from weakref import WeakValueDictionary

from .frames import Frame
from .plain_values import PLAIN_COPIES, NotPlain
from .special_names import COMPARISONS, UNHASHABLE, names_in
from .subject_client import SubjectClient

_KINDS = 4096
_NAME_CHARACTERS = 200
"""Different sets of special methods; more have no program but one that floods."""

_BASES: Mapping[str, type | None] = {"": None, "list": list, "dict": dict, "set": set, "bytearray": bytearray}
_CARRIED = (int, float, complex, str, bytes, tuple, frozenset)
_ASKED_DUNDERS = frozenset(
    f"__{name}__"
    for name in (
        *("name", "qualname", "module", "doc", "annotations", "members", "match_args", "version", "author"),
        *("dict", "slots", "defaults", "kwdefaults", "file", "all", "mro", "bases", "class_getitem"),
        *("notes", "cause", "context", "init", "post_init"),
    )
)
"""Of names with two underscores at both ends: pytest looks for others in everything that it meets."""
_LOOKS = ("__bool__", "__len__", "__iter__", "__getitem__", "__contains__")


class Handle:
    """An object that lives with the subject."""

    __slots__ = ("__weakref__", "_lmac_base", "_lmac_client", "_lmac_id", "_lmac_seen")

    _lmac_client: SubjectClient
    _lmac_id: int
    _lmac_base: type | None
    _lmac_seen: int
    """How often it came; all of them are given back together."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_lmac_") or (_is_dunder(name) and name not in _ASKED_DUNDERS):
            raise AttributeError(f"the subject is not asked for {name!r}")
        return self._lmac_client.ask("get", of=self._lmac_id, name=name)

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
        if self is other:
            # That two results are one object is the subject's word too, where its class compares by value.
            self._lmac_client.answered_comparisons += "__eq__" in type(self)._lmac_names
            return True
        base = self._lmac_base
        if base is not None:
            return _contents(self) == (_contents(other) if _is_handle(other) else other)
        if not _is_handle(other):
            return False
        if "__eq__" not in type(self)._lmac_names:
            return NotImplemented
        return _equal_by_subject(self, other)

    def __ne__(self, other: object) -> Any:
        answer = self.__eq__(other)
        return answer if answer is NotImplemented else not answer

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __repr__(self) -> str:
        return _text(self._lmac_client.special(self._lmac_id, "__repr__"))

    def __str__(self) -> str:
        return _text(self._lmac_client.special(self._lmac_id, "__str__"))

    def __format__(self, form: str) -> str:
        return _text(self._lmac_client.special(self._lmac_id, "__format__", (form,)))

    def __copy__(self) -> Any:
        return self._lmac_client.special(self._lmac_id, "__copy__")

    def __deepcopy__(self, memo: object) -> Any:
        return self._lmac_client.special(self._lmac_id, "__deepcopy__")

    def __del__(self) -> None:
        self._lmac_client.drop(self._lmac_id, self._lmac_seen)

    _lmac_names: frozenset[str] = frozenset()


class ClassHandle(Handle):
    """A class of the subject that is no class of errors."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type

    def __instancecheck__(self, value: object) -> bool:
        return _is_proxy(value) and self._asked("isinstance", value)

    def __subclasscheck__(self, kind: object) -> bool:
        return _is_handle(kind) and self._asked("issubclass", kind)

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        raise TypeError("the suite cannot derive from a class of the subject; the form in-process can")

    def _asked(self, op: str, value: Any) -> bool:
        return self._lmac_client.ask(op, of=value._lmac_id, **{"class": self._lmac_id}) is True


class Carried:
    """Mixed into a plain type: data that is compared here, of a class that lives with the subject."""

    _lmac_client: SubjectClient
    _lmac_id: int

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_lmac_") or (_is_dunder(name) and name not in _ASKED_DUNDERS):
            raise AttributeError(f"the subject is not asked for {name!r}")
        return self._lmac_client.ask("get", of=self._lmac_id, name=name)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self


class Proxies:
    """Makes stand-ins, one for each object of the subject, so that `is` holds."""

    def __init__(self) -> None:
        self._handles: WeakValueDictionary[int, Handle] = WeakValueDictionary()
        self._carried: dict[int, Any] = {}
        self._kinds: dict[tuple[type, int, str], type] = {}

    def proxy(self, client: SubjectClient, mark: Frame) -> object:
        """The stand-in of one mark.

        Raises:
            NotPlain: it is no mark of an object.
        """
        match mark:
            case {"$": "handle", "id": int(number), "mask": int(mask), "base": str(base), "name": str(name)}:
                return self._handle(client, number, self._kind(Handle, mask, name), _BASES[base])
            case {"$": "class", "id": int(number), "mask": int(mask)}:
                return self._handle(client, number, self._kind(ClassHandle, mask), None)
            case {"$": "value", "id": int(number), "mask": int(mask), "v": plain}:
                return self._value(client, number, mask, client.codec.decode(plain))
            case {"$": "coroutine", "id": int(number)}:
                return _awaited(client, number)
            case _:
                raise NotPlain("a mark of nothing")

    def _handle(self, client: SubjectClient, number: int, kind: Any, base: type | None) -> Handle:
        handle: Handle | None = self._handles.get(number)
        if handle is None or type(handle) is not kind:
            handle = kind.__new__(kind)
            handle._lmac_client, handle._lmac_id = client, number
            handle._lmac_base, handle._lmac_seen = base, 0
            self._handles[number] = handle
        handle._lmac_seen += 1
        return handle

    def _value(self, client: SubjectClient, number: int, mask: int, plain: Any) -> object:
        if type(plain) not in _CARRIED:
            raise NotPlain("an object carries what it cannot")
        known = self._carried.get(number)
        if known is None or type(known).__mro__[2] is not type(plain) or not type(plain).__eq__(known, plain):
            kind = self._kind(type(plain), mask)
            known = kind(plain)
            known._lmac_client, known._lmac_id = client, number
            self._carried[number] = known
        return known

    def _kind(self, base: type, mask: int, name: str = "") -> type:
        """The class of stand-ins with these methods; it bears the name of the subject's."""
        kind = self._kinds.get((base, mask, name))
        if kind is None:
            if len(self._kinds) >= _KINDS or len(name) > _NAME_CHARACTERS:
                raise NotPlain("the subject shows too many kinds of objects, or one of too long a name")
            make = _handle_kind if issubclass(base, Handle) else _carried_kind
            kind = make(base, frozenset(names_in(mask)))
            kind.__name__ = kind.__qualname__ = name or base.__name__
            self._kinds[base, mask, name] = kind
        return kind


def described(value: object) -> Frame | None:
    """The mark of a stand-in that goes back to the subject; None of anything else."""
    return {"$": "object", "id": value._lmac_id} if _is_proxy(value) else None  # type: ignore[attr-defined]


def _handle_kind(base: type, names: frozenset[str]) -> type:
    own = {"__eq__", "__ne__", "__hash__", "__repr__", "__str__", "__format__", "__await__", UNHASHABLE}
    namespace: dict[str, Any] = {name: _forwarded(name) for name in sorted(names - own)}
    namespace |= {"__slots__": (), "_lmac_names": names}
    namespace["__hash__"] = _forwarded("__hash__") if "__hash__" in names else Handle.__hash__
    if UNHASHABLE in names:
        namespace["__hash__"] = None
    if "__contains__" in names:
        namespace["__contains__"] = _contains
    if "__await__" in names:
        namespace["__await__"] = _await
    return type(base.__name__, (base,), namespace)


def _carried_kind(base: type, names: frozenset[str]) -> type:
    # What the class adds or replaces is done by the subject; what is compared and looked into stays plain.
    plain = {*COMPARISONS, "__hash__", UNHASHABLE, *(name for name in _LOOKS if hasattr(base, name))}
    namespace: dict[str, Any] = {name: _forwarded(name) for name in sorted(names - plain)}
    return type(base.__name__, (Carried, base), namespace)


def _forwarded(name: str) -> Callable[..., Any]:
    if name in ("__exit__", "__aexit__"):
        return _left(name)

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return self._lmac_client.special(self._lmac_id, name, arguments, named)

    method.__name__ = name
    return method


def _contains(self: Any, item: object) -> Any:
    client = self._lmac_client
    # Of a list's or dict's class it is expected to look into data; of any other it is a method as all are.
    client.answered_comparisons += self._lmac_base is not None
    return client.special(self._lmac_id, "__contains__", (item,))


def _left(name: str) -> Callable[..., Any]:
    def method(self: Any, kind: object, error: object, trace: object) -> Any:
        # Frames of the suite stay here.
        return self._lmac_client.special(self._lmac_id, name, (kind, error, None))

    return method


def _await(self: Any) -> Generator[None, None, Any]:
    value = self._lmac_client.ask("await", of=self._lmac_id)
    yield from ()
    return value


async def _awaited(client: SubjectClient, number: int) -> object:
    return client.ask("await", of=number)


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


def _contents(handle: Any) -> object:
    contents = handle._lmac_client.ask("contents", of=handle._lmac_id) if handle._lmac_base else handle
    if handle._lmac_base and type(contents) is not handle._lmac_base:
        raise handle._lmac_client.fault("the contents of an object are of another type", dead=True)
    return contents


def plain(value: Any) -> Any:
    """The data of a stand-in that carries some, or that is a list, dict, set or bytearray; else the value."""
    if issubclass(type(value), Carried):
        return PLAIN_COPIES[type(value).__mro__[2]](value)
    return _contents(value) if _is_handle(value) else value


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"a text is expected, the subject gave {type(value).__name__}")
    return value


def _is_handle(value: object) -> bool:
    return issubclass(type(value), Handle)


def _is_proxy(value: object) -> bool:
    return issubclass(type(value), Handle | Carried)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
