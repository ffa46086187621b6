"""Values on their way between subject and judge: exact plain data as JSON, everything else by a mark.

A mark is an object with the key `$`, which names the kind. Plain data is copied, so what one side does to a
list does not show on the other. Exact types alone are plain: an instance of a subclass could answer for
itself, so it is left to the two sides.
"""

from __future__ import annotations

import base64
import datetime
import math
import pathlib
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .frames import Frame

DEPTH = 100
_TIMES = (datetime.datetime, datetime.time)
_TIME_ZONES = (type(None), datetime.timezone)
_SAFE_INTEGER = 2**53
_HEX_DIGITS = 2**20
_DECIMAL_CHARACTERS = 10_000


PLAIN_COPIES: Mapping[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: bytes.__add__(value, b""),
    complex: complex.__pos__,
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}
"""The plain value in an object of a subclass, without asking a method of that subclass."""


class NotPlain(ValueError):
    """A value that cannot travel, or a mark that says nothing."""


class Codec:
    """Both directions of one side.

    Args:
        describe: The mark of what is not plain; may raise `NotPlain`.
        resolve: What a mark stands for that is not one of plain data; may raise `NotPlain`.
    """

    def __init__(self, describe: Callable[[object], Frame], resolve: Callable[[Frame], object]) -> None:
        self._describe = describe
        self._resolve = resolve
        self._depth = 0

    def encode(self, value: object) -> Any:
        """What JSON can carry.

        Raises:
            NotPlain: it is nested too deeply, or something in it cannot travel.
        """
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int and -_SAFE_INTEGER < value < _SAFE_INTEGER:  # type: ignore[operator]
            return value
        if kind is float and math.isfinite(value):  # type: ignore[arg-type]
            return value
        if self._depth >= DEPTH:
            raise NotPlain(f"a value is nested deeper than {DEPTH} levels, or holds itself")
        self._depth += 1
        try:
            if kind is list:
                return [self.encode(item) for item in value]  # type: ignore[attr-defined]
            if (writer := _WRITERS.get(kind)) is not None:
                mark, content = writer(value)
                return {"$": mark, "v": self._content(mark, content)}
            if kind in _TIMES and type(value.tzinfo) in _TIME_ZONES:  # type: ignore[attr-defined]
                return {"$": kind.__name__, "v": value.isoformat()}  # type: ignore[attr-defined]
            return self._describe(value)
        finally:
            self._depth -= 1

    def decode(self, value: object) -> Any:
        """The value again, of an exact plain type unless the other resolver made it.

        Raises:
            NotPlain: it is nothing that `encode` makes.
        """
        try:
            return self._decode(value, 0)
        except NotPlain:
            raise
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NotPlain(f"a mark says nothing: {type(error).__name__}") from error

    def _content(self, mark: str, content: Any) -> Any:
        if mark in _OF_PAIRS:
            return [[self.encode(key), self.encode(item)] for key, item in content]
        return [self.encode(item) for item in content] if mark in _OF_ITEMS else content

    def _decode(self, value: object, depth: int) -> Any:
        if depth > DEPTH:
            raise NotPlain(f"a value is nested deeper than {DEPTH} levels")
        if isinstance(value, list):
            return [self._decode(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        mark = value["$"]
        if mark in _OF_PAIRS:
            pairs = [
                (self._decode(key, depth + 1), self._decode(item, depth + 1)) for key, item in value["v"]
            ]
            return _OF_PAIRS[mark](pairs)
        if mark in _OF_ITEMS:
            return _OF_ITEMS[mark]([self._decode(item, depth + 1) for item in value["v"]])
        if mark in _READERS:
            return _READERS[mark](value["v"])
        return self._resolve(value)


_OF_PAIRS: Mapping[str, Callable[[list[tuple[Any, Any]]], Any]] = {
    "dict": dict,
    "ordered": OrderedDict,
    "counter": lambda pairs: Counter(dict(pairs)),
}
_OF_ITEMS: Mapping[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": lambda items: deque(items[1:], items[0]),
    "slice": lambda items: slice(*items),
    "complex": lambda items: complex(*items),
}
_WRITERS: Mapping[type, Callable[[Any], tuple[str, Any]]] = {
    int: lambda value: ("int", format(value, "x")),
    float: lambda value: ("float", repr(value)),
    complex: lambda value: ("complex", (value.real, value.imag)),
    bytes: lambda value: ("bytes", base64.b64encode(value).decode("ascii")),
    bytearray: lambda value: ("bytearray", base64.b64encode(value).decode("ascii")),
    tuple: lambda value: ("tuple", value),
    set: lambda value: ("set", value),
    frozenset: lambda value: ("frozenset", value),
    deque: lambda value: ("deque", (value.maxlen, *value)),
    dict: lambda value: ("dict", value.items()),
    # Its factory stays behind.
    defaultdict: lambda value: ("dict", value.items()),
    OrderedDict: lambda value: ("ordered", value.items()),
    Counter: lambda value: ("counter", value.items()),
    slice: lambda value: ("slice", (value.start, value.stop, value.step)),
    range: lambda value: ("range", [value.start, value.stop, value.step]),
    Decimal: lambda value: ("decimal", str(value)),
    Fraction: lambda value: ("fraction", [format(value.numerator, "x"), format(value.denominator, "x")]),
    datetime.date: lambda value: ("date", value.isoformat()),
    datetime.timedelta: lambda value: ("timedelta", [value.days, value.seconds, value.microseconds]),
    uuid.UUID: lambda value: ("uuid", value.hex),
    pathlib.PosixPath: lambda value: ("path", str(value)),
    type(Ellipsis): lambda value: ("singleton", "Ellipsis"),
    type(NotImplemented): lambda value: ("singleton", "NotImplemented"),
}


def _integer(text: str) -> int:
    # Hexadecimal takes linear time, and no limit on decimal digits applies to it.
    if len(text) > _HEX_DIGITS:
        raise NotPlain(f"a number has more than {_HEX_DIGITS} hexadecimal digits")
    return int(text, 16)


def _decimal(text: str) -> Decimal:
    if len(text) > _DECIMAL_CHARACTERS:
        raise NotPlain(f"a decimal number has more than {_DECIMAL_CHARACTERS} characters")
    return Decimal(text)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "int": _integer,
    "float": float,
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "bytearray": lambda text: bytearray(base64.b64decode(text, validate=True)),
    "range": lambda parts: range(*parts),
    "decimal": _decimal,
    "fraction": lambda parts: Fraction(_integer(parts[0]), _integer(parts[1])),
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda parts: datetime.timedelta(*parts),
    "uuid": lambda text: uuid.UUID(hex=text),
    "path": pathlib.PosixPath,
    "singleton": lambda name: {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}[name],
}
