"""What a module or a class defines, in the order of its text; nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = ("body", "orelse", "finalbody")


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement of the scope: under `if`, `try`, `with` and loops too, but of no function or class.

    What only a program's own start runs (`if __name__ == "__main__"`) is left out.
    """
    for statement in body:
        yield statement
        if not isinstance(statement, Function | ast.ClassDef) and not _is_own_start(statement):
            for block in _blocks(statement):
                yield from statements(block)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in _BLOCKS:
        if block := getattr(statement, name, None):
            yield block
    for handler in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield handler.body


def _is_own_start(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return False
    compared = (statement.test.left, *statement.test.comparators)
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in compared)


def last_name(node: ast.expr) -> str:
    """`c` of `a.b.c`, `a.b.c(...)` and `c[...]`; "" of anything else."""
    match node:
        case ast.Call(func=function):
            return last_name(function)
        case ast.Subscript(value=value):
            return last_name(value)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def assigned_names(statement: ast.stmt) -> list[str]:
    """Plain names that an assignment sets."""
    match statement:
        case ast.Assign(targets=targets):
            places: Sequence[ast.expr] = targets
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            places = (target,)
        case _:
            return []
    return [place.id for place in places if isinstance(place, ast.Name)]


def yields(function: Function) -> bool:
    """Whether the function itself is a generator; what it defines within does not count."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    return False
