"""What goes between subject and judge arrives as it was sent, or not at all."""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter, OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac_sandbox.inside.frames import Frame
from lmac_sandbox.inside.known_types import name_of, type_named
from lmac_sandbox.inside.plain_values import DEPTH, Codec, NotPlain
from lmac_sandbox.inside.special_names import SPECIAL_NAMES, UNHASHABLE, mask_of, names_in


def describe(value: object) -> Frame:
    return {"$": "other", "type": type(value).__name__}


def resolve(mark: Frame) -> object:
    raise NotPlain("nothing else")


CODEC = Codec(describe, resolve)

HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.builds(lambda size: -(2**size), st.integers(50, 20_000))
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.sampled_from([None, datetime.UTC]))
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([Ellipsis, NotImplemented, PosixPath("a/b"), range(1, 9, 2)]),
    lambda items: st.tuples(items, items) | st.frozensets(items, max_size=3),
    max_leaves=5,
)
VALUES = st.recursive(
    HASHABLE,
    lambda items: (
        st.lists(items, max_size=3)
        | st.dictionaries(HASHABLE, items, max_size=3)
        | st.sets(HASHABLE, max_size=3)
        | st.builds(OrderedDict, st.dictionaries(HASHABLE, items, max_size=3))
        | st.builds(lambda found: deque(found, 5), st.lists(items, max_size=3))
    ),
    max_leaves=8,
)


def travelled(value: object) -> Any:
    return CODEC.decode(json.loads(json.dumps(CODEC.encode(value))))


@given(VALUES)
def test_plain_data_arrives_as_it_was_sent_and_of_the_same_type(value: object) -> None:
    arrived = travelled(value)

    assert arrived == value
    assert type(arrived) is type(value)


def test_what_is_equal_to_nothing_and_what_is_counted_arrives_too() -> None:
    assert math.isnan(travelled(math.nan))
    assert travelled(Counter("aab")) == Counter("aab")
    assert travelled(bytearray(b"x")) == bytearray(b"x")
    assert (travelled(Decimal("1.50")), travelled(Fraction(1, 3))) == (Decimal("1.50"), Fraction(1, 3))
    assert travelled(UUID(int=5)) == UUID(int=5)


class Number(int):
    """A subclass could answer for itself."""


class Text(str):
    pass


@pytest.mark.parametrize("value", [Number(3), Text("a"), OSError(), object(), print, [Number(1)][0]])
def test_an_object_of_a_subclass_is_not_plain(value: object) -> None:
    assert CODEC.encode(value)["$"] == "other"


def test_what_is_nested_too_deeply_or_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotPlain, match="deeper"):
        CODEC.encode(endless)
    deep: Any = 1
    for _ in range(DEPTH + 1):
        deep = [deep]
    with pytest.raises(NotPlain, match="deeper"):
        CODEC.decode(deep)
    assert CODEC.encode([1]) == [1], "a refusal leaves no trace"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda items: (
        st.lists(items, max_size=4)
        | st.dictionaries(st.sampled_from(["$", "v", "id"]), items, max_size=3)
        | st.builds(
            lambda mark, content: {"$": mark, "v": content},
            st.sampled_from(
                [
                    *("int", "float", "bytes", "tuple", "set", "dict", "counter", "deque", "slice", "range"),
                    *("decimal", "fraction", "date", "datetime", "time", "timedelta", "uuid", "path"),
                    *("singleton", "complex", "ordered", "bytearray", "frozenset", "nothing"),
                ]
            ),
            items,
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_whatever_comes_is_a_value_or_refused(frame: object) -> None:
    try:
        CODEC.decode(frame)
    except NotPlain:
        return


@pytest.mark.parametrize(
    "name",
    [
        *("builtins.SystemExit", "builtins.KeyboardInterrupt", "builtins.BaseException", "builtins.open"),
        *("builtins.GeneratorExit", "builtins.eval", "_pytest.outcomes.Skipped", "unittest.SkipTest"),
        *("os.system", "subprocess.Popen", "Skipped", "", ".", "builtins."),
    ],
)
def test_a_type_that_is_not_of_the_list_has_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="no known type"):
        type_named(name)


@pytest.mark.parametrize("known", [ValueError, FileNotFoundError, int, type(None), json.JSONDecodeError])
def test_a_known_type_is_found_again_by_its_name(known: type) -> None:
    assert type_named(name_of(known) or "") is known


def test_a_mask_names_what_a_type_defines_itself() -> None:
    assert set(names_in(mask_of(list))) > {"__len__", "__getitem__", "__eq__", UNHASHABLE}
    assert names_in(mask_of(object)) == ()
    assert names_in(mask_of(Number, int)) == ()
    for mask in (-1, 1 << len(SPECIAL_NAMES)):
        with pytest.raises(ValueError, match="mask"):
            names_in(mask)
