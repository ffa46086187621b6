"""Typed looks into what a run folder says: JSON that anyone may have written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_COUNTED = 2**53
"""Larger numbers are no counts of anything."""


class Told:
    """A JSON object; what it lacks, or holds in another shape, is the empty value of the shape asked for."""

    def __init__(self, fields: object) -> None:
        self._fields: Mapping[str, Any] = fields if isinstance(fields, Mapping) else {}

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def raw(self, key: str) -> object:
        """The value as it is, of any shape."""
        return self._fields.get(key)

    def text(self, key: str) -> str:
        value = self._fields.get(key)
        return value if isinstance(value, str) else ""

    def flag(self, key: str) -> bool:
        return self._fields.get(key) is True

    def count(self, key: str) -> int:
        """A number from 0."""
        return _count(self._fields.get(key)) or 0

    def number(self, key: str) -> float | None:
        """A finite number; None when it says none."""
        value = self._fields.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if abs(value) < MOST_COUNTED and math.isfinite(value) else None

    def digest(self, key: str) -> str:
        """A sha256 in hex."""
        return as_digest(self._fields.get(key))

    def inner(self, key: str) -> Told:
        return Told(self._fields.get(key))

    def inners(self, key: str) -> tuple[Told, ...]:
        return tuple(Told(item) for item in self._items(key))

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(item for item in self._items(key) if isinstance(item, str))

    def counts(self, key: str) -> tuple[int, ...]:
        return tuple(number for item in self._items(key) if (number := _count(item)) is not None)

    def flags(self, key: str) -> tuple[bool, ...]:
        return tuple(item is True for item in self._items(key))

    def raws(self, key: str) -> list[object]:
        """The items as they are, of any shape."""
        return self._items(key)

    def pairs(self) -> Iterable[tuple[str, object]]:
        return self._fields.items()

    def _items(self, key: str) -> list[object]:
        value = self._fields.get(key)
        return list(value) if isinstance(value, list | tuple) else []


def as_digest(value: object) -> str:
    """The sha256 in hex; "" for anything else, so that it can name no other file."""
    return value if isinstance(value, str) and _DIGEST.fullmatch(value) else ""


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < MOST_COUNTED else None
