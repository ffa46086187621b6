"""Edits of a text: what fits is applied whole, what does not changes nothing and says what would."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lmac.tools.edited_text import EditRefused
from lmac.tools.line_search import places
from lmac.tools.patching import patched
from lmac.tools.replacing import Replacement, replaced

TEXT = "def a():\n    x = 1\n    return x\n\n\ndef b():\n    return 2\n"
LINES = st.lists(st.sampled_from(["a", "b", "  a", "x = 1", "", "\tb", "ab"]), min_size=1, max_size=12)


def one(text: str, search: str, new: str) -> str:
    return replaced(text, [Replacement(search, new)])


def refusal(text: str, search: str, new: str = "y") -> str:
    with pytest.raises(EditRefused) as caught:
        one(text, search, new)
    return str(caught.value)


def test_lines_that_stand_once_are_replaced() -> None:
    assert one(TEXT, "    x = 1\n", "    x = 3\n") == TEXT.replace("x = 1", "x = 3")


def test_a_part_of_a_line_is_replaced_where_it_stands_once() -> None:
    assert one(TEXT, "x = 1", "x = 3") == TEXT.replace("x = 1", "x = 3")


def test_whole_lines_are_not_found_at_the_end_of_longer_ones() -> None:
    assert one("max = 1\nx = 1\n", "x = 1\n", "x = 2\n") == "max = 1\nx = 2\n"


def test_an_indent_that_was_left_out_is_put_before_every_new_line() -> None:
    assert one(TEXT, "x = 1\nreturn x\n", "x = 5\nif x:\n    return x\n") == TEXT.replace(
        "    x = 1\n    return x\n", "    x = 5\n    if x:\n        return x\n"
    )


def test_an_indent_too_much_is_taken_away() -> None:
    assert one("a\nb\n", "    a\n", "    c\n") == "c\nb\n"


def test_trailing_blanks_do_not_matter() -> None:
    assert one("a  \nb\n", "a\nb   \n", "c\n") == "c\n"


def test_carriage_returns_of_a_file_stay() -> None:
    assert one("a\r\nb\r\n", "a\n", "c\nd\n") == "c\r\nd\r\nb\r\n"


def test_a_last_line_without_a_line_feed_stays_without() -> None:
    assert one("a\nb", "b\n", "c\n") == "a\nc"


def test_a_text_that_stands_twice_is_refused_with_its_places() -> None:
    assert "stands at 2 places (lines 1, 3)" in refusal("a\nb\na\n", "a\n")


def test_a_text_that_stands_nowhere_is_answered_with_the_nearest_lines() -> None:
    said = refusal(TEXT, "    x = 1\n    return y\n")

    assert "stands nowhere" in said
    assert "The nearest are lines 2-3:\n    x = 1\n    return x" in said


def test_lines_whose_indents_differ_among_themselves_are_not_taken_for_the_same() -> None:
    assert "stands nowhere" in refusal("if a:\n    b\n", "if a:\nb\n")


def test_an_empty_search_fills_an_empty_file_only() -> None:
    assert one("", "", "a\n") == "a\n"
    assert "is empty" in refusal("a\n", "")


@given(LINES, st.data())
def test_a_replacement_reversed_gives_the_original(lines: list[str], data: st.DataObject) -> None:
    text = "".join(f"{line}\n" for line in lines)
    first = data.draw(st.integers(0, len(lines) - 1))
    search = "".join(f"{line}\n" for line in lines[first : data.draw(st.integers(first + 1, len(lines)))])
    assume(search.strip())
    new = data.draw(st.sampled_from(["new\n", "new\nnewer\n", "  new\n"]))
    try:
        changed = one(text, search, new)
    except EditRefused:
        assert len(places(lines, search.removesuffix("\n").split("\n"))) != 1
        return

    assert one(changed, new, search) == text


@given(LINES, LINES)
def test_a_diff_of_two_texts_makes_one_of_the_other_whatever_its_numbers(
    before: list[str], after: list[str]
) -> None:
    assume(before != after)
    old, new = ("".join(f"{line}\n" for line in lines) for lines in (before, after))
    # All the context there is, so that one hunk fits at one place.
    diff = list(difflib.unified_diff(before, after, lineterm="", n=99))
    for header in (diff[2], "@@ -77,2 +81,9 @@", "@@ ... @@", "@@"):
        assert patched(old, "\n".join([*diff[:2], header, *diff[3:]]) + "\n") == new


@given(LINES, LINES, LINES)
def test_places_are_those_of_a_plain_search(lines: list[str], sought: list[str], more: list[str]) -> None:
    text = lines + sought + more + sought
    size = len(sought)

    assert places(text, sought) == [i for i in range(len(text)) if text[i : i + size] == sought]


PATCHES = {
    "no hunk": ("nothing", "no hunk"),
    "context that is not there": ("@@ -1 +1 @@\n c\n-b\n+d\n", "do not stand in the file"),
    "no sign": ("@@ -1 +1 @@\n-a\n+c\nb\n", "neither a space, - nor +"),
    "no change": ("@@ -1 +1 @@\n a\n", "changes nothing"),
    "no context": ("@@ -1 +1 @@\n+c\n", "has no context"),
    "several files": ("--- a\n+++ b\n@@\n-a\n+c\n--- c\n+++ d\n@@\n-b\n+e\n", "several files"),
    "a second hunk that does not fit": ("@@\n-a\n+c\n@@\n-x\n+y\n", "hunk 2 of 2"),
    "a hunk before the one before it": ("@@\n-b\n+c\n@@\n-a\n+y\n", "after the hunk before it"),
}


@pytest.mark.parametrize(("patch", "said"), PATCHES.values(), ids=PATCHES.keys())
def test_a_diff_that_does_not_fit_is_refused_whole(patch: str, said: str) -> None:
    with pytest.raises(EditRefused, match=r".") as caught:
        patched("a\nb\n", patch)

    assert said in str(caught.value)


def test_a_header_decides_between_places_when_it_names_one_of_them() -> None:
    text = "a\nb\na\nb\n"

    assert patched(text, "@@ -3,1 +3,1 @@\n-a\n+c\n") == "a\nb\nc\nb\n"
    with pytest.raises(EditRefused, match="2 places"):
        patched(text, "@@ -2,1 +2,1 @@\n-a\n+c\n")


def test_a_diff_makes_a_file_that_is_empty() -> None:
    assert patched("", "--- /dev/null\n+++ b/a.py\n@@ -0,0 +1,2 @@\n+a\n+b\n") == "a\nb\n"
