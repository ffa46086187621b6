"""The judge's stand-ins by the subject's numbers: one for each object, so that `is` holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from .frames import Frame
from .plain_values import NotPlain
from .special_names import names_in
from .stand_in_kinds import carried_kind, handle_kind
from .stand_ins import ClassHandle, Handle
from .subject_client import SubjectClient

_KINDS = 4096
"""Different sets of special methods; more have no program but one that floods."""
_NAME_CHARACTERS = 200
_BASES: Mapping[str, type | None] = {"": None, "list": list, "dict": dict, "set": set, "bytearray": bytearray}
_CARRIED = (int, float, complex, str, bytes, tuple, frozenset)


class Proxies:
    """Makes stand-ins out of marks, and keeps those that the suite still has."""

    def __init__(self) -> None:
        self._handles: WeakValueDictionary[int, Handle] = WeakValueDictionary()
        self._carried: dict[int, Any] = {}
        self._kinds: dict[tuple[type, int, str, type | None], type] = {}

    def proxy(self, client: SubjectClient, mark: Frame) -> object:
        """The stand-in of one mark.

        Raises:
            NotPlain: it is no mark of an object.
        """
        match mark:
            case {"$": "handle", "id": int(number), "mask": int(mask), "base": str(base), "name": str(name)}:
                return self._handle(client, number, self._kind(Handle, mask, name, _BASES[base]))
            case {"$": "class", "id": int(number), "mask": int(mask)}:
                return self._handle(client, number, self._kind(ClassHandle, mask))
            case {"$": "value", "id": int(number), "mask": int(mask), "v": plain}:
                return self._value(client, number, mask, client.codec.decode(plain))
            case {"$": "coroutine", "id": int(number)}:
                return _awaited(client, number)
            case _:
                raise NotPlain("a mark of nothing")

    def _handle(self, client: SubjectClient, number: int, kind: Any) -> Handle:
        handle: Handle | None = self._handles.get(number)
        if handle is None or type(handle) is not kind:
            handle = kind.__new__(kind)
            handle._lmac_client, handle._lmac_id = client, number
            handle._lmac_kinds, handle._lmac_seen = {}, 0
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
            known._lmac_client, known._lmac_id, known._lmac_kinds = client, number, {}
            self._carried[number] = known
        return known

    def _kind(self, base: type, mask: int, name: str = "", plain: type | None = None) -> type:
        """The class of stand-ins with these methods; it bears the name of the subject's."""
        kind = self._kinds.get((base, mask, name, plain))
        if kind is None:
            if len(self._kinds) >= _KINDS or len(name) > _NAME_CHARACTERS:
                raise NotPlain("the subject shows too many kinds of objects, or one of too long a name")
            names = frozenset(names_in(mask))
            kind = handle_kind(base, names, plain) if issubclass(base, Handle) else carried_kind(base, names)
            kind.__name__ = kind.__qualname__ = name or base.__name__
            self._kinds[base, mask, name, plain] = kind
        return kind


async def _awaited(client: SubjectClient, number: int) -> object:
    return client.ask("await", of=number)
