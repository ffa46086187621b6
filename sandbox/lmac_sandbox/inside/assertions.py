"""Tests that assert nothing: they fail by an error alone, whatever the code under test returns."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from .definitions import Function, last_name, statements

_CHECKING_CALLS = frozenset({"raises", "warns", "deprecated_call", "fail", "xfail", "skip", "importorskip"})
_CHECKING_WORDS = ("assert", "check", "verify", "expect", "ensure", "validate", "fail")
"""How helpers that assert are named, in files that were not read and as methods of objects."""
_CATCH_ASSERTIONS = frozenset({"AssertionError", "Exception", "BaseException"})
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
    return len(names & helpers) + sum(_states(node, helpers) for node in _heard(function.body, helpers))


def _heard(body: Sequence[ast.stmt], helpers: frozenset[str]) -> Iterator[ast.AST]:
    """Nodes that may run and whose failure is one of the test's.

    Nothing behind a `return`, under `if False`, or where whatever is raised is caught without a word.
    """
    for statement in body:
        yield from _heard_of(statement, helpers)
        if _leaves(statement):
            return


def _heard_of(statement: ast.stmt, helpers: frozenset[str]) -> Iterator[ast.AST]:
    match statement:
        case ast.If(test=test) | ast.While(test=test):
            yield from ast.walk(test)
            blocks = _branches(statement)
        case (
            ast.For(iter=source, body=inner, orelse=last) | ast.AsyncFor(iter=source, body=inner, orelse=last)
        ):
            yield from ast.walk(source)
            blocks = [last] if _is_empty(source) else [inner, last]
        case ast.With(items=items, body=inner) | ast.AsyncWith(items=items, body=inner):
            for item in items:
                yield from ast.walk(item)
            blocks = [] if any(_suppresses(item.context_expr) for item in items) else [inner]
        case ast.Try() | ast.TryStar():
            blocks = [handler.body for handler in statement.handlers] + [
                statement.orelse,
                statement.finalbody,
            ]
            if not any(_is_silent(handler, helpers) for handler in statement.handlers):
                blocks.append(statement.body)
        case ast.Match(cases=cases):
            blocks = [case.body for case in cases]
        case _:
            yield from ast.walk(statement)
            return
    for block in blocks:
        yield from _heard(block, helpers)


def _branches(statement: ast.If | ast.While) -> list[list[ast.stmt]]:
    """The blocks that its test does not rule out by being a constant."""
    if not isinstance(statement.test, ast.Constant):
        return [statement.body, statement.orelse]
    return [statement.body] if statement.test.value else [statement.orelse]


def _leaves(statement: ast.stmt) -> bool:
    """Whether nothing that follows in its block can run."""
    if isinstance(statement, ast.If):
        return all(any(map(_leaves, block)) for block in _branches(statement))
    return isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break)


def _is_empty(source: ast.expr) -> bool:
    return isinstance(source, ast.List | ast.Tuple | ast.Set) and not source.elts


def _suppresses(manager: ast.expr) -> bool:
    return (
        isinstance(manager, ast.Call)
        and last_name(manager) == "suppress"
        and any(last_name(error) in _CATCH_ASSERTIONS for error in manager.args)
    )


def _is_silent(handler: ast.ExceptHandler, helpers: frozenset[str]) -> bool:
    """Whether it catches failed assertions and states nothing itself."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if not any(error is None or last_name(error) in _CATCH_ASSERTIONS for error in caught):
        return False
    return not any(_states(node, helpers) for node in _heard(handler.body, helpers))


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
