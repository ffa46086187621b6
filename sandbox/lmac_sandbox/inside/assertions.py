"""Tests that assert nothing: they fail by an error alone, whatever the code under test returns."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from .definitions import Function, last_name, statements

_CHECKING_CALLS = frozenset({"raises", "warns", "deprecated_call", "fail", "xfail", "skip", "importorskip"})
_CHECKING_WORDS = ("assert", "check", "verify", "expect", "ensure", "validate", "fail")
"""How helpers that assert are named, in files that were not read and as methods of objects."""
_ROUNDS = 3
"""A helper that asserts through two others is still found."""


def asserting_helpers(trees: Iterable[ast.Module]) -> frozenset[str]:
    """Names of the functions and fixtures that assert, by themselves or through others of these files."""
    functions = [node for tree in trees for node in _functions(tree.body) if not node.name.startswith("test")]
    helpers: frozenset[str] = frozenset()
    for _ in range(_ROUNDS):
        helpers |= {node.name for node in functions if node.name not in helpers and asserts(node, helpers)}
    return helpers


def _functions(body: Sequence[ast.stmt]) -> Iterator[Function]:
    for statement in statements(body):
        if isinstance(statement, Function):
            yield statement
        elif isinstance(statement, ast.ClassDef):
            yield from _functions(statement.body)


def asserts(function: Function, helpers: frozenset[str]) -> bool:
    """Whether it states anything that could be wrong."""
    return assertion_count(function, helpers) > 0


def assertion_count(function: Function, helpers: frozenset[str]) -> int:
    """How many statements and calls of it could find something wrong."""
    arguments = function.args
    names = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    # A fixture may assert before or after the test.
    return len(names & helpers) + sum(
        _states(node, helpers) for statement in function.body for node in ast.walk(statement)
    )


def _states(node: ast.AST, helpers: frozenset[str]) -> bool:
    match node:
        case ast.Assert(test=test):
            return not _is_always_true(test)
        case ast.Raise():
            return True
        case ast.Call(func=called):
            name = last_name(called)
            return name in _CHECKING_CALLS or name in helpers or name.lstrip("_").startswith(_CHECKING_WORDS)
        case _:
            return False


def _is_always_true(test: ast.expr) -> bool:
    match test:
        case ast.Constant() | ast.JoinedStr() | ast.Lambda():
            return True
        case ast.Tuple(elts=elements):
            # `assert (x == 1, "message")`: a tuple with something in it is true.
            return bool(elements)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return isinstance(operand, ast.Constant)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(isinstance(value, ast.Constant) and value.value for value in values)
        case ast.BoolOp(values=values):
            return all(_is_always_true(value) for value in values)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is() | ast.LtE() | ast.GtE()], comparators=[right]):
            return _is_name_or_constant(left) and ast.dump(left) == ast.dump(right)
        case _:
            return False


def _is_name_or_constant(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name | ast.Constant)
