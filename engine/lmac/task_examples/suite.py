"""A task's examples and stated names as a suite of pytest, which a judge runs against the files' modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lmac.checks import NOT_THERE, AcceptanceCheck, StandingSuite
from lmac.task_examples import Example, Step
from lmac.task_examples.stated_names import StatedNames

EXAMPLES = "examples"
"""The name of their check in reports."""
MOST_PARTS = 20
"""Tests that one example is divided into."""

_BEGINNING = f'''"""Examples of the task."""

import importlib
import math
import sys

import pytest

NOT_THERE = {NOT_THERE!r}
'''
_OWN = """

def _fail(text):
    raise pytest.fail.Exception(text, pytrace=False) from None


def _named(error):
    return f"{type(error).__name__}: {error}"[:500].removesuffix(": ")


def _imported(module, name):
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.partition(".")[0]):
            _fail(f"importing {module} raised {_named(error)}")
        _fail(f"{NOT_THERE}the task uses {name}, and there is no module {module}")
    except Exception as error:
        _fail(f"importing {module} raised {_named(error)}")


def _subject(module, name):
    found = _imported(module, name)
    try:
        return getattr(found, name)
    except AttributeError:
        _fail(f"{NOT_THERE}the task uses {name}, and module {module} does not define it")


def _own_classes(module):
    public = [getattr(module, name) for name in vars(module) if not name.startswith("__")]
    return [one for one in public if callable(one) and not _is_python_s(getattr(one, "__module__", ""))]


def _is_python_s(module):
    return str(module).partition(".")[0] in sys.stdlib_module_names


def _has(owner, name):
    first, _, rest = name.partition(".")
    return hasattr(owner, first) and (not rest or _has(getattr(owner, first), rest))


def _defines(module, *names):
    found = _imported(module, names[0])
    classes = _own_classes(found)
    absent = [name for name in names if not any(_has(owner, name) for owner in (found, *classes))]
    if absent:
        _fail(f"{NOT_THERE}the task uses {', '.join(absent)}, and module {module} does not define it")


def _scope(**modules):
    return {name: _subject(module, name) for name, module in modules.items()}


def _raised(code, error, says):
    absent = isinstance(error, (AttributeError, NotImplementedError))
    _fail(f"{NOT_THERE if absent else ''}{code} raised {_named(error)}{says}")


def _run(scope, code):
    try:
        exec(code, scope)
    except Exception as error:
        _raised(code, error, "")


def _gives(scope, code, expected, checked):
    try:
        value = eval(code, scope)
    except Exception as error:
        _raised(code, error, f"; the task says {expected!r}")
    if checked and not _same(value, expected):
        _fail(f"{code} gave {repr(value)[:500]}, the task says {expected!r}")


def _raises(scope, code, kind, checked):
    try:
        value = eval(code, scope)
    except kind:
        return
    except Exception as error:
        if checked:
            _raised(code, error, f"; the task says {kind.__name__}")
        return
    if checked:
        _fail(f"{code} gave {repr(value)[:500]}, the task says that it raises {kind.__name__}")


def _same(value, expected):
    if isinstance(expected, float) or isinstance(value, float):
        both = isinstance(value, (int, float)) and isinstance(expected, (int, float))
        return both and math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-9)
    for kind in (list, tuple):
        if isinstance(value, kind) and isinstance(expected, kind):
            return len(value) == len(expected) and all(map(_same, value, expected))
    if isinstance(value, dict) and isinstance(expected, dict):
        return value.keys() == expected.keys() and all(_same(value[key], expected[key]) for key in expected)
    return bool(value == expected)
"""


def examples_suite(examples: Sequence[Example], stated: Sequence[StatedNames] = ()) -> StandingSuite:
    """The examples as a standing suite, shown to the model: they stand in its task.

    Of stated names it asks for those that no example uses: that one says itself that they are not there.
    """
    used = {(module, name) for example in examples for name, module in example.names}
    stated = [
        replace(one, names=names)
        for one in stated
        if (names := tuple(name for name in one.names if (one.module, name) not in used))
    ]
    titles = {f"test_names_{number}": f"names in line {one.line}" for number, one in enumerate(stated, 1)}
    titles |= {name: f"example in line {line}" for name, line, _ in _all_tests(examples)}
    return StandingSuite(
        AcceptanceCheck(name=EXAMPLES),
        {"test_examples.py": suite_source(examples, stated).encode()},
        shown=True,
        titles={function: f"{title} of the task" for function, title in titles.items()},
    )


def suite_source(examples: Sequence[Example], stated: Sequence[StatedNames] = ()) -> str:
    """A test function for each step that states something, and for the names that a line states."""
    tests = [_names_test(number, one) for number, one in enumerate(stated, 1)]
    tests += [source for _, _, source in _all_tests(examples)]
    return "\n\n".join((_BEGINNING + _OWN, *tests))


def _names_test(number: int, stated: StatedNames) -> str:
    names = ", ".join(map(repr, stated.names))
    return f"def test_names_{number}():\n    _defines({stated.module!r}, {names})\n"


def _all_tests(examples: Sequence[Example]) -> Iterator[tuple[str, int, str]]:
    for number, example in enumerate(examples, 1):
        yield from _tests(number, example)


def _tests(number: int, example: Example) -> Iterator[tuple[str, int, str]]:
    """Name, line and source of a test for each step that states something; of very many the last are one.

    A program that does some of them right is better than one that does none, and each that it does wrong is
    told by itself.
    """
    stating = [place for place, step in enumerate(example.steps) if step.states]
    ends = dict.fromkeys((*stating[: MOST_PARTS - 1], *stating[-1:]))
    modules = ", ".join(f"{name}={module!r}" for name, module in example.names)
    checked = -1
    for part, end in enumerate(ends, 1):
        name = f"test_example_{number}_{part}"
        lines = [f"def {name}():", f"    scope = _scope({modules})"]
        lines += [_line(step, place > checked) for place, step in enumerate(example.steps[: end + 1])]
        yield name, example.steps[end].line, "\n".join(lines) + "\n"
        checked = end


def _line(step: Step, is_checked: bool) -> str:
    """Of a test: what is not checked any more is still done, for what comes after it."""
    if step.expected is not None:
        return f"    _gives(scope, {step.code!r}, {step.expected}, {is_checked})"
    if step.raises is not None:
        return f"    _raises(scope, {step.code!r}, {step.raises}, {is_checked})"
    return f"    _run(scope, {step.code!r})"
