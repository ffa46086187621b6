"""Special methods that an object of the subject may have, and how they are told: one bit each."""

from __future__ import annotations

from typing import Any

_MRO: Any = vars(type)["__mro__"]

UNHASHABLE = "__unhashable__"
"""No method: the type says that its objects have no hash."""

COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")

_OPERATORS = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
    *("lshift", "rshift", "and", "or", "xor"),
)
_OTHERS = (
    *("call", "len", "length_hint", "bool", "iter", "next", "reversed", "contains"),
    *("getitem", "setitem", "delitem", "enter", "exit", "hash"),
    *("neg", "pos", "abs", "invert", "int", "float", "complex", "index", "round", "trunc", "floor", "ceil"),
    *("await", "aiter", "anext", "aenter", "aexit", "fspath", "bytes", "str", "repr", "format"),
)

OPERATORS = tuple(f"__{prefix}{name}__" for name in _OPERATORS for prefix in ("", "r", "i"))

WITH_OPERAND = frozenset({*COMPARISONS, *OPERATORS, "__contains__"})
"""Whoever answers these is told a value that a suite may expect."""

SPECIAL_NAMES = (
    *COMPARISONS,
    *OPERATORS,
    *(f"__{name}__" for name in _OTHERS),
    UNHASHABLE,
)
"""Their order is that of the bits; host and image never see it."""


def mask_of(kind: type, base: type = object) -> int:
    """Bits of the special methods that the type defines beyond those of `base`."""
    mask = 0
    for bit, name in enumerate(SPECIAL_NAMES):
        found, inherited = _looked_up(kind, name), _looked_up(base, name)
        if found is not None and found is not inherited:
            mask |= 1 << bit
    if _looked_up(kind, "__hash__") is None:
        mask |= 1 << SPECIAL_NAMES.index(UNHASHABLE)
    return mask


def mro_of(kind: Any) -> tuple[type, ...]:
    """The class and what it derives from, past what its metaclass says of that."""
    order: tuple[type, ...] = _MRO.__get__(kind)
    return order


def names_in(mask: int) -> tuple[str, ...]:
    """The names of the bits.

    Raises:
        ValueError: a bit has no name.
    """
    if not 0 <= mask < 1 << len(SPECIAL_NAMES):
        raise ValueError("a mask names special methods that there are not")
    return tuple(name for bit, name in enumerate(SPECIAL_NAMES) if mask >> bit & 1)


def _looked_up(kind: type, name: str) -> object | None:
    """As the interpreter looks a special method up: in the type, never in the object."""
    return next((vars(owner)[name] for owner in mro_of(kind) if name in vars(owner)), None)
