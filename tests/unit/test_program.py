"""Programs as weak models give them: constrained JSON or a numbered list; what is none says so."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.program import Instruction, Program, ProgramFault, Task
from lmac.program.simple_forms import (
    merged,
    modules_named,
    parse_json_program,
    parse_numbered_program,
    program_schema,
)

FREE = Task("Write something.", "free")
"""A task that names no module."""


def numbered(text: str) -> list[Instruction]:
    return list(parse_numbered_program(text, 6).instructions)


def test_a_numbered_list_with_its_files() -> None:
    text = "1. Write a stack. (files: stack.py, tests/test_stack.py)\n2. Write a queue. (file: queue.py)"

    assert numbered(text) == [
        Instruction("Write a stack.", ("stack.py", "tests/test_stack.py")),
        Instruction("Write a queue.", ("queue.py",)),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "1. Write it",
        "1) Write it",
        "  1: Write it",
        "Step 1: Write it",
        "## Step 1. Write it",
        "**1. Write it",
    ],
)
def test_the_ways_in_which_models_number(line: str) -> None:
    assert numbered(line) == [Instruction("Write it")]


def test_lines_below_a_number_belong_to_it_and_words_before_the_first_do_not() -> None:
    text = "Here is my plan:\n\n1. Write a stack\n   - with push\n   (files: stack.py)\n2. Write a queue\n"

    assert numbered(text) == [
        Instruction("Write a stack - with push", ("stack.py",)),
        Instruction("Write a queue"),
    ]


def test_the_only_step_is_the_whole_task() -> None:
    text = "1. Write a class. (files: stack.py)\n2. Write push. (files: stack.py)"

    assert numbered(text) == [Instruction("Write stack.py: all that the task asks for.", ("stack.py",))]


def test_numbers_within_fenced_code_are_no_instructions() -> None:
    assert numbered("1. Write it\n```\n2. not a step\n```\n") == [Instruction("Write it")]


def test_steps_that_write_the_same_files_are_one() -> None:
    text = "1. Write push. (files: s.py)\n2. Think.\n3. Write pop. (files: s.py)\n4. Think again."

    assert numbered(text) == [
        Instruction("Write push. Write pop.", ("s.py",)),
        Instruction("Think."),
        Instruction("Think again."),
    ]


@pytest.mark.parametrize("text", ["", "I cannot do that.", "```\n1. a\n```", "1.", "- a\n- b"])
def test_a_text_without_numbered_lines_is_no_program(text: str) -> None:
    with pytest.raises(ProgramFault, match="no numbered instruction"):
        parse_numbered_program(text, 6)


def test_too_many_instructions_are_counted_in_the_fault() -> None:
    with pytest.raises(ProgramFault, match=r"3 instructions.*at most 2"):
        parse_numbered_program("1. a\n2. b\n3. c", 2)


def test_a_program_of_the_schema_is_read() -> None:
    steps = [
        {"module": f"{name}.py", "tests": f"test_{name}.py", "text": f"It holds a {name}."}
        for name in ("stack", "queue")
    ]
    program = parse_json_program(json.dumps({"steps": steps}), 6, FREE)

    assert program.instructions == (
        Instruction(
            "Write stack.py and its tests test_stack.py. It holds a stack.", ("stack.py", "test_stack.py")
        ),
        Instruction(
            "Write queue.py and its tests test_queue.py. It holds a queue.", ("queue.py", "test_queue.py")
        ),
    )


def steps_for(*modules: str) -> str:
    steps = [{"module": name, "tests": f"test_{name}", "text": "It holds something."} for name in modules]
    return json.dumps({"steps": steps})


def test_where_the_task_names_its_modules_steps_for_others_are_left_out() -> None:
    task = Task("Write `lru_cache.py`; `test_lru_cache.py` tests it.", "lru")
    program = parse_json_program(steps_for("lru_cache.py", "clock.py"), 6, task)

    assert [step.files for step in program.instructions] == [("lru_cache.py", "test_lru_cache.py")]


def test_a_program_without_any_module_that_the_task_names_is_refused() -> None:
    with pytest.raises(ProgramFault, match=r"names: lru_cache\.py"):
        parse_json_program(steps_for("clock.py"), 6, Task("Write lru_cache.py.", "lru"))


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("Write a parser.", set()),
        ("Write `a.py`, pkg/b.py and test_a.py.", {"a.py", "pkg/b.py"}),
        ("See notes.pyc, a.python and tests/test_b.py", set()),
    ],
)
def test_the_modules_that_a_task_names(text: str, modules: set[str]) -> None:
    assert modules_named(Task(text, "t")) == modules


def test_the_schema_asks_for_exactly_what_is_read() -> None:
    schema = program_schema(4)
    step = schema["properties"]["steps"]["items"]

    assert schema["properties"]["steps"]["maxItems"] == 4
    assert set(step["required"]) == set(step["properties"]) == {"module", "tests", "text"}
    assert step["additionalProperties"] is False


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ('{"steps": []}', "steps"),
        ('{"steps": [{"module": "a.py", "tests": "t.py"}]}', "steps.0.text"),
        ('{"steps": [{"module": "", "tests": "t.py", "text": "x"}]}', "steps.0.module"),
        ('{"steps": [{"module": "a.py", "tests": "t.py", "text": "x"', "JSON"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_json_that_does_not_fit_names_its_fault(text: str, named: str) -> None:
    with pytest.raises(ProgramFault, match=named):
        parse_json_program(text, 6, FREE)


@given(st.text())
def test_no_text_breaks_the_parsers(text: str) -> None:
    with suppress(ProgramFault):
        assert parse_numbered_program(text, 6).instructions
    with suppress(ProgramFault):
        assert parse_json_program(text, 6, FREE).instructions


@pytest.mark.parametrize("text", ["1. files:" + " " * 8000 + "(", "1. a" + "\t" * 8000 + "(x", "1. " * 4000])
def test_a_degenerate_reply_costs_no_time(text: str) -> None:
    started = time.monotonic()
    numbered(text)

    assert time.monotonic() - started < 1.0


@given(st.lists(st.builds(Instruction, st.text(max_size=5), st.sampled_from([(), ("a.py",), ("b.py",)]))))
def test_merging_again_changes_nothing(steps: list[Instruction]) -> None:
    once = merged(Program(tuple(steps)))

    assert merged(once) == once
