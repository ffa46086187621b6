"""A task's examples as a suite of pytest, which a judge runs against the files by way of their modules."""

from __future__ import annotations

from collections.abc import Sequence

from lmac.checks import NOT_THERE, AcceptanceCheck, StandingSuite
from lmac.task_examples import Example

EXAMPLES = "examples"
"""The name of their check in reports."""

_BEGINNING = f'''"""Examples of the task."""

import importlib
import math

import pytest

NOT_THERE = {NOT_THERE!r}
'''
_OWN = """

def _fail(text):
    raise pytest.fail.Exception(text, pytrace=False) from None


def _named(error):
    return f"{type(error).__name__}: {error}"[:500].removesuffix(": ")


def _subject(module, name):
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.partition(".")[0]):
            _fail(f"importing {module} raised {_named(error)}")
        _fail(f"{NOT_THERE}the task uses {name}, and there is no module {module}")
    except Exception as error:
        _fail(f"importing {module} raised {_named(error)}")
    try:
        return getattr(found, name)
    except AttributeError:
        _fail(f"{NOT_THERE}the task uses {name}, and module {module} does not define it")


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


def _gives(scope, code, expected):
    try:
        value = eval(code, scope)
    except Exception as error:
        _raised(code, error, f"; the task says {expected!r}")
    if not _same(value, expected):
        _fail(f"{code} gave {repr(value)[:500]}, the task says {expected!r}")


def _raises(scope, code, kind):
    try:
        value = eval(code, scope)
    except kind:
        return
    except Exception as error:
        _raised(code, error, f"; the task says {kind.__name__}")
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


def examples_suite(examples: Sequence[Example]) -> StandingSuite:
    """The examples as a standing suite, shown to the model: they stand in its task."""
    return StandingSuite(
        AcceptanceCheck(name=EXAMPLES),
        {"test_examples.py": suite_source(examples).encode()},
        shown=True,
        titles={
            f"test_example_{number}": f"example in line {example.line} of the task"
            for number, example in enumerate(examples, 1)
        },
    )


def suite_source(examples: Sequence[Example]) -> str:
    """One test function an example."""
    tests = [_test(number, example) for number, example in enumerate(examples, 1)]
    return "\n\n".join((_BEGINNING + _OWN, *tests))


def _test(number: int, example: Example) -> str:
    modules = ", ".join(f"{name}={module!r}" for name, module in example.names)
    lines = [f"def test_example_{number}():", f"    scope = _scope({modules})"]
    for step in example.steps:
        if step.expected is not None:
            lines.append(f"    _gives(scope, {step.code!r}, {step.expected})")
        elif step.raises is not None:
            lines.append(f"    _raises(scope, {step.code!r}, {step.raises})")
        else:
            lines.append(f"    _run(scope, {step.code!r})")
    return "\n".join(lines) + "\n"
