"""Examples are read off a task's text; what could mean something else is left out."""

from __future__ import annotations

import ast

import pytest

from lmac.shipped import shipped_folder
from lmac.task_examples import MOST_EXAMPLES, Example, examples_of
from lmac.task_examples.stated_names import MOST_LINES, StatedNames, stated_names
from lmac.task_examples.suite import examples_suite, suite_source

TASK = "Write one module, `m.py`, with the function `f(x)` and the class `Box`.\n\n"


def read(text: str) -> list[tuple[str, str | None]]:
    """What the first task's text states, step by step."""
    return [
        (step.code, step.expected)
        for found in examples_of(TASK + text)
        for step in found.steps
        if step.states
    ]


STATED = {
    "f(1, 2) == 3": ("f(1, 2)", "3"),
    'f("a") # "b"': ('f("a")', '"b"'),
    'f("a")  # -> "b"': ('f("a")', '"b"'),
    'f("a")  # returns "b"': ('f("a")', '"b"'),
    "f(1) -> 2": ("f(1)", "2"),
    "f(1) => 2": ("f(1)", "2"),
    "f(1) ==> 2.5.": ("f(1)", "2.5"),
    "f(1) ➞ 2": ("f(1)", "2"),
    "For example, f(1) returns 2.": ("f(1)", "2"),
    "f([1]) should return [2, (3, None)], as above": ("f([1])", "[2, (3, None)]"),
    '`f(0)` is `"0"`, and so on': ("f(0)", '"0"'),
    "without zeros: `f(0)` is `0`": ("f(0)", "0"),
    "- f('a, (b') -> -1 # because": ("f('a, (b')", "-1"),
    "f(1)[0] == 2": ("f(1)[0]", "2"),
    "Box(1).size() == 2": ("Box(1).size()", "2"),
    "assert f(1) == {'a': [1]}": ("f(1)", "{'a': [1]}"),
    "f(f(1)) == 3": ("f(f(1))", "3"),
    "f(1) => true": ("f(1)", "True"),
    ">>> f(1)\n2": ("f(1)", "2"),
    "    >>> f(1)\n    [1,\n     2]\n    ": ("f(1)", "[1,\n2]"),
    ">>> f(\n...     1)\n2": ("f(\n    1)", "2"),
    ">>> f(1) == 2\nTrue": ("f(1) == 2", "True"),
    "```python\nfrom m import f\nf(1)  # 2, and more\n```": ("f(1)", "2"),
    "```python\nprint(f(1))  # 2\n```": ("f(1)", "2"),
    "```python\nassert f(1) == 2\n```": ("f(1)", "2"),
    '```python\ndef f(x):\n    """Say.\n\n    >>> f(1)\n    2\n    """\n```': ("f(1)", "2"),
}


@pytest.mark.parametrize("text", STATED)
def test_a_stated_result_is_an_example(text: str) -> None:
    assert read(text) == [STATED[text]]


LEFT_OUT = [
    "f(x) == 2",
    "f(1) == y",
    "f() -> None",
    "f(timeout=5) -> None",
    "`f()` returns `True` when there is no item",
    "def f(x=1) -> 2",
    "f(1) returns 2 if the list is empty",
    "f(1) == 2 or 3",
    "f(1) -> 2 + 3",
    "f(1) -> 2 - 1 = 1",
    "f(1) -> 1, 2",
    "f(1) returns (2) all others",
    "f(1) -> [1, ..., 3]",
    "it is not true that f(1) == 2",
    "if f(1) == 2 then stop",
    "g(1) + f(1) == 3",
    "other(1) == 2",
    "sorted([2, 1]) == [1, 2]",
    "return f(1) == 2",
    "f(1) == 'a'.upper()",
    "f(1) -> 2nd",
    "f(1) is 2",
    "f(1",
    "f(')') == '",
    ">>> x = g(1)\n>>> f(x)\n2",
    ">>> f(1)\n<Box at 1>",
    "```python\nfrom requests import get\nf(get(1))  # 2\n```",
    "```python\nprint(f(1))  # 'a'\n```",
    "f(1) == 2\nf(1) == 3",
]


@pytest.mark.parametrize("text", LEFT_OUT)
def test_what_is_doubtful_is_left_out(text: str) -> None:
    assert read(text) == []


def test_steps_that_share_variables_are_one_example() -> None:
    (found,) = examples_of(f"{TASK}```python\nbox = Box(2)\nbox.put(1)\nbox.get()  # 1\nbox.put(3)\n```\n")

    assert [step.code for step in found.steps] == ["box = Box(2)", "box.put(1)", "box.get()"]
    assert found.names == (("Box", "m"),)
    assert found.line == 4


def test_an_error_that_a_session_shows_is_expected() -> None:
    text = ">>> f(-1)\nTraceback (most recent call last):\n    ...\nValueError: negative\n"
    (found,) = examples_of(TASK + text)

    assert found.steps[0].raises == "ValueError"


def test_without_a_module_that_holds_the_name_nothing_is_an_example() -> None:
    assert examples_of("Write a function `f`.\nf(1) == 2") == ()
    assert examples_of("Write `a.py` and `b.py` with `f(x)`.\nf(1) == 2") == ()


def test_of_several_modules_an_import_or_the_sections_heading_names_the_one() -> None:
    used = "```python\nfrom b import f\nf(1)  # 2\n```\n"
    text = f"Write `a.py` and `b.py`.\n{used}## Module `a.py`\n`g(1)` is `2`.\n"

    assert [found.names for found in examples_of(text)] == [(("f", "b"),), (("g", "a"),)]


def test_the_shipped_tasks_state_examples() -> None:
    tasks = shipped_folder("configs") / "tasks"
    found = {
        name: examples_of((tasks / name / "task.md").read_text("utf-8"))
        for name in ("lru-cache", "stack-queue", "url-shortener")
    }

    assert {name: len(examples) for name, examples in found.items()} == {
        "lru-cache": 1,
        "stack-queue": 1,
        "url-shortener": 4,
    }
    assert [step.expected for step in found["stack-queue"][0].steps if step.states] == ['"b"', '"a"']


@pytest.mark.parametrize("text", [*STATED, *LEFT_OUT])
def test_the_suite_is_a_program_whatever_the_text_is(text: str) -> None:
    ast.parse(suite_source(examples_of(TASK + text)))


def test_each_test_of_the_suite_says_where_its_example_stands() -> None:
    found: tuple[Example, ...] = examples_of(TASK + "f(1) == 2\n\nf(2) == 3")

    assert dict(examples_suite(found).titles) == {
        "test_example_1_1": "example in line 3 of the task",
        "test_example_2_1": "example in line 5 of the task",
    }


@pytest.mark.parametrize("depth", [100, 400, 2000, 9000])
@pytest.mark.parametrize("form", ["assert f(1){} == 2", "f(1) == {}2", "print(f(1){})", ">>> f(1){}\n2"])
def test_an_expression_of_any_depth_is_an_example_or_none(form: str, depth: int) -> None:
    terms = ("+-"[form.startswith("f")] + "1"[: not form.startswith("f")]) * depth

    assert len(examples_of(f"{TASK}```python\n{form.format(terms)}\n```\n")) < 2
    assert len(examples_of(TASK + form.format(terms))) < 2


def test_calls_that_never_close_do_not_hold_up_the_task_and_the_examples_end() -> None:
    flood = f"{'f(' * 990}\n" * 60 + "".join(f"f({number}) == 1\n" for number in range(5000))

    assert len(examples_of(TASK + flood)) == MOST_EXAMPLES


# Stated names


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("`double(n)` returns twice the number.", ("double",)),
        ("1. `Box()` makes an empty box. `put(item)` stores an item.", ("Box", "put")),
        ("- `Box.get(key, default=None)` returns it.", ("Box.get",)),
        ("It keeps words. `first()`, `last()` and `rest()` return some of them.", ("first", "last", "rest")),
        ("`SIZE` is the largest number. `Full` is an exception.", ("SIZE", "Full")),
        ("`BadKey` and `BadValue` are subclasses of `ValueError`.", ("BadKey", "BadValue")),
    ],
)
def test_a_sentence_that_begins_with_a_name_states_it(line: str, names: tuple[str, ...]) -> None:
    assert stated_names(f"{TASK}{line}\n") == (StatedNames(3, "m", names),)


@pytest.mark.parametrize(
    "line",
    [
        "It raises `BadKey` when `key()` is not there.",
        "`None` is the default. `sorted(all)` gives their order. `len(box)` is their number.",
        "`eval_text(code)` must not be used. `forbidden()` is not there.",
        "`requests.get(url)` fetches it. `size` is a number. `key in box` is `True`.",
        "`Decimal` holds amounts.",
        "# `heading()` of a section",
        "```\n`fenced()` is code.\n```",
    ],
)
def test_other_names_are_not_stated(line: str) -> None:
    assert stated_names(f"{TASK}\n{line}\n") == ()


def test_a_stated_name_belongs_to_the_module_of_its_section_and_stands_once() -> None:
    text = (
        "Write `a.py` and `b.py`.\n`lost()` is told of before any section.\n"
        "## Module `a.py`\n`f()` returns 1. `f()` raises nothing.\n## Module `b.py`\n`g()` returns `f()`.\n"
    )

    assert stated_names(text) == (StatedNames(4, "a", ("f",)), StatedNames(6, "b", ("g",)))


def test_a_flood_of_stated_names_has_an_end_and_makes_a_program() -> None:
    flood = "".join(f"`name_{number}()` is {'`' * 50}{'a(' * 500}.\n" for number in range(1000))
    stated = stated_names(TASK + flood)

    assert len(stated) == MOST_LINES
    ast.parse(suite_source((), stated))
