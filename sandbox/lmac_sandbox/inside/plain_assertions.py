"""Assertions that would ask an object of the subject for a difference: they get its plain data instead.

A difference is no comparison: it would hand the expected value over and take the subject's word for the rest.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

import pytest

from .stand_ins import plain

_APPROXIMATED: tuple[Any, ...] = (0.0, [], {})
"""Of each an object of `pytest.approx` has a class of its own."""
_OF_CASES = ("assertAlmostEqual", "assertNotAlmostEqual", "assertSetEqual")


def compare_plain_data() -> None:
    """For the whole session."""
    for expected in _APPROXIMATED:
        kind: Any = type(pytest.approx(expected))
        kind.__eq__ = _of_actual(kind.__eq__)
        # The explanation of a failure takes differences too.
        kind._repr_compare = _of_actual(kind._repr_compare)
    for name in _OF_CASES:
        setattr(unittest.TestCase, name, _of_both(getattr(unittest.TestCase, name)))


def _of_actual(original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def asked(self: Any, actual: Any) -> Any:
        return original(self, _plain_inside(plain(actual)))

    return asked


def _plain_inside(value: Any) -> Any:
    """What `approx` compares one by one."""
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    return {key: plain(item) for key, item in value.items()} if type(value) is dict else value


def _of_both(original: Callable[..., None]) -> Callable[..., None]:
    def asserted(self: Any, first: Any, second: Any, *rest: Any, **named: Any) -> None:
        original(self, plain(first), plain(second), *rest, **named)

    return asserted
