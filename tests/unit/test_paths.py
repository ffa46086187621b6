"""Store paths, by their text alone."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac_sandbox.inside.paths import (
    DEPTH,
    PATH_BYTES,
    SEGMENT_BYTES,
    SHOWN_CHARACTERS,
    BadPath,
    check_path,
    fold,
    parents,
    shown,
)

GOOD = (
    "main.py",
    "src/pkg/__init__.py",
    "docs/Übersicht.md",
    "a b/c d.txt",
    ".gitignore",
    "x.git/y",
    "...",
    "日本/語.txt",
)
BAD = {
    "": "is empty",
    "/etc/passwd": "absolute",
    "../up": "forbidden segment",
    "a/../b": "forbidden segment",
    "./a": "forbidden segment",
    "a//b": "empty segment",
    "a/": "empty segment",
    ".git/hooks/pre-commit": "forbidden segment",
    "sub/.GIT/config": "forbidden segment",
    "a\\b": "backslash",
    "a\x00b": "U+0000",
    "a\nb": "U+000A",
    "a\x1b[31mb": "U+001B",
    "a\u202eb": "U+202E",
    "a\u200bb": "U+200B",
    "a\ud800b": "U+D800",
    "e\u0301.py": "NFC",
    "a/ b": "space",
    ".lmac-new": "reserved",
    "a/" * DEPTH + "b": "deeper",
    "a" * (SEGMENT_BYTES + 1): "segment longer",
    "é" * 51: "segment longer",
    "/".join(["a" * 60] * 5): f"longer than {PATH_BYTES}",
}


@pytest.mark.parametrize("path", GOOD)
def test_an_ordinary_path_is_taken_as_it_is(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(("path", "fault"), BAD.items(), ids=ascii)
def test_a_path_that_breaks_a_rule_is_rejected_by_that_rule(path: str, fault: str) -> None:
    with pytest.raises(BadPath, match=fault.replace("+", r"\+")):
        check_path(path)


def test_the_error_shows_the_path_escaped() -> None:
    with pytest.raises(BadPath) as caught:
        check_path("evil\x1b]0;title\x07")

    assert "\x1b" not in str(caught.value)


@given(st.text(max_size=400) | st.text(st.characters(min_codepoint=0x10000), min_size=200, max_size=400))
def test_a_path_is_shown_in_a_few_hundred_plain_characters(path: str) -> None:
    assert shown(path).isascii()
    assert len(shown(path)) <= SHOWN_CHARACTERS


def test_an_ordinary_path_of_full_length_is_shown_whole() -> None:
    path = "/".join(["a" * 63] * 4)
    assert len(path) == PATH_BYTES
    assert shown(path) == f"'{path}'"


@given(st.text(max_size=300) | st.lists(st.sampled_from(["..", ".", "", "a", ".git", "é"])).map("/".join))
def test_an_accepted_path_never_leaves_the_store(path: str) -> None:
    try:
        check_path(path)
    except BadPath:
        return
    joined = posixpath.normpath(posixpath.join("/store", path))
    assert joined == f"/store/{path}"
    assert len(path.encode()) <= PATH_BYTES


def test_twins_in_case_and_normal_form_fold_to_one() -> None:
    assert fold("Straße/README.md") == fold("STRASSE/readme.MD")
    assert fold("\ufb01le") == fold("file")


def test_parents_are_listed_outermost_first() -> None:
    assert parents("a/b/c.py") == ["a", "a/b"]
    assert parents("c.py") == []
