"""The keeper's index: every rule holds for a whole batch before anything changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac_sandbox.inside.namespace import Caps, Collision, Full, Namespace
from lmac_sandbox.inside.paths import BadPath

CAPS = Caps(store_bytes=100, store_files=4, file_bytes=60)


def namespace(**sizes: int) -> Namespace:
    made = Namespace(CAPS)
    for path, size_bytes in sizes.items():
        made.put(path.replace("__", "/"), size_bytes)
    return made


@pytest.mark.parametrize(
    ("standing", "added"),
    [
        ({"a": 1}, {"A": 1}),
        ({"a": 1}, {"a/b": 1}),
        ({"a__b": 1}, {"a": 1}),
        ({"Lib__x": 1}, {"lib/y": 1}),
        ({}, {"a": 1, "a/b": 1}),
        ({}, {"é": 1, "É": 1}),
    ],
)
def test_clashing_paths_are_refused(standing: dict[str, int], added: dict[str, int]) -> None:
    with pytest.raises(Collision):
        namespace(**standing).check(added)


def test_replacing_a_file_counts_only_the_difference() -> None:
    namespace(a=60, b=40).check({"a": 60})


@pytest.mark.parametrize(
    ("added", "limit"),
    [
        ({"a": 61}, "a file may have 60"),
        ({"a": 60, "b": 41}, "limit is 100"),
        (dict.fromkeys("abcde", 1), "5 files"),
        ({"a/b/c/d/e/f": 1}, "5 folders"),
    ],
)
def test_a_limit_that_a_batch_would_pass_is_named(added: dict[str, int], limit: str) -> None:
    with pytest.raises(Full, match=limit):
        namespace().check(added)


def test_removing_the_last_file_of_folders_names_them_innermost_first() -> None:
    made = namespace(a__b__c=1, a__d=1)

    assert made.remove("a/b/c") == ["a/b"]
    assert made.remove("a/d") == ["a"]
    made.check({"A": 1})


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "a/b", "a/b/c", "d", "D", "d/e"]))))
def test_the_index_is_that_of_its_files_whatever_came_and_went(changes: list[tuple[bool, str]]) -> None:
    made = Namespace(CAPS)
    for is_write, path in changes:
        if is_write:
            try:
                made.check({path: 1})
            except (Collision, BadPath, Full):
                continue
            made.put(path, 1)
        elif path in made:
            made.remove(path)
    fresh = Namespace(CAPS)
    for path, size_bytes in made.sizes().items():
        fresh.check({path: size_bytes})
        fresh.put(path, size_bytes)

    assert vars(fresh)["_places"] == vars(made)["_places"]
    assert vars(fresh)["_folders"] == vars(made)["_folders"]
