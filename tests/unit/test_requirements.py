"""Requirements that a task lists itself are taken by code, with the user's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.program import MOST_REQUIREMENTS, RequirementSource, Task
from lmac.program.requirements import listed_requirements, numbered_requirements
from lmac.shipped import shipped_folder


def numbered(text: str) -> dict[int, str]:
    return {item.number: item.text for item in numbered_requirements(Task(text, "t")).items}


def listed(text: str) -> dict[int, str]:
    return {item.number: item.text for item in listed_requirements(Task(text, "t")).items}


TASKS = sorted((shipped_folder("configs") / "tasks").iterdir())


@pytest.mark.parametrize("folder", TASKS, ids=lambda folder: folder.name)
def test_every_shipped_task_numbers_its_requirements_from_first_to_last(folder: Path) -> None:
    found = numbered_requirements(Task((folder / "task.md").read_text("utf-8"), folder.name))

    assert found.source is RequirementSource.TASK_NUMBERS
    assert len(found.items) >= 8
    assert [item.number for item in found.items] == list(range(1, len(found.items) + 1))


def test_a_requirement_stands_under_the_heading_above_it() -> None:
    text = "# Lib\n\n## Module `a.py`\n\n1. First.\n2. Second.\n\n## Module `b.py`\n\n3. Third.\n"
    sections = [item.section for item in numbered_requirements(Task(text, "t")).items]

    assert sections == ["Module `a.py`", "Module `a.py`", "Module `b.py`"]


def test_the_lines_of_an_item_belong_to_it_and_a_paragraph_after_it_does_not() -> None:
    text = "1. First\nand more\n\n   and indented.\n\nA paragraph.\n2) Second\n   - with a point\n"

    assert numbered(text) == {1: "First and more and indented.", 2: "Second - with a point"}


def test_numbers_within_code_are_none_of_the_tasks() -> None:
    assert numbered("```\n1. a\n2. b\n```\n~~~\n1. c\n~~~\n1. One.\n2. Two.\n") == {1: "One.", 2: "Two."}


def test_where_numbers_begin_anew_the_list_under_a_telling_heading_counts() -> None:
    text = "## Steps\n1. a\n2. b\n## Requirements\n1. One.\n3. Three.\n"

    assert numbered(text) == {1: "One.", 3: "Three."}
    assert numbered(text.replace("Requirements", "Notes")) == {}


def test_without_one_numbered_list_every_item_is_numbered_in_order_when_nobody_can_be_asked() -> None:
    text = "Write it:\n- one\n* two\n\n1. three\n"

    assert numbered(text) == {}
    assert listed(text) == {1: "one", 2: "two", 3: "three"}
    assert listed_requirements(Task(text, "t")).source is RequirementSource.TASK_ITEMS


def test_a_task_in_prose_lists_nothing() -> None:
    for text in ("Write a stack.", "It was 1984. Nothing else.", "1. Only one item."):
        assert listed_requirements(Task(text, "t")).source is RequirementSource.NONE


def test_what_is_beyond_the_cap_is_counted() -> None:
    text = "\n".join(f"{number}. Item." for number in range(1, MOST_REQUIREMENTS + 6))
    found = numbered_requirements(Task(text, "t"))

    assert (len(found.items), found.left_out) == (MOST_REQUIREMENTS, 5)


LINES = st.sampled_from(["1. a", "2) b", "- c", "# h", "```", "~~~", "", "   d", "e", "999. f", "1.", "-"])


@given(st.lists(LINES | st.text(max_size=8), max_size=20).map("\n".join))
def test_no_task_breaks_the_reader_and_numbers_are_unique(text: str) -> None:
    for read in (numbered_requirements, listed_requirements):
        numbers = [item.number for item in read(Task(text, "t")).items]
        assert numbers == sorted(set(numbers))
