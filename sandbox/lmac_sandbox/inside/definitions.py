"""What a module or a class defines, in the order of its text; nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef
Binding = (
    Function
    | ast.ClassDef
    | ast.Name
    | ast.alias
    | ast.ExceptHandler
    | ast.MatchAs
    | ast.MatchStar
    | ast.MatchMapping
    | ast.Global
)
_BLOCKS = ("body", "orelse", "finalbody")


def statements(body: Sequence[ast.stmt], own_start: bool = False) -> Iterator[ast.stmt]:
    """Every statement of the scope: under `if`, `try`, `with` and loops too, but of no function or class.

    Args:
        own_start: With the body of `if __name__ == "__main__":`, which only a program's own start runs.
    """
    for statement in body:
        yield statement
        if not isinstance(statement, Function | ast.ClassDef):
            for block in _blocks(statement, own_start):
                yield from statements(block, own_start)


def bound_names(body: Sequence[ast.stmt]) -> Iterator[tuple[str, Binding]]:
    """All that the scope binds, in whatever form, and all that is `global` further inside.

    No guard keeps anything out: a module may set its own `__name__`.
    """
    waiting: list[ast.AST] = list(body)
    for node in waiting:
        if isinstance(node, Binding):
            yield from ((name, node) for name in _bound(node))
        if isinstance(node, Function | ast.ClassDef):
            within = (inner for statement in node.body for inner in ast.walk(statement))
            waiting += (inner for inner in within if isinstance(inner, ast.Global))
            # Decorators, defaults and bases may bind names of the scope around.
            waiting += node.decorator_list
            waiting += [node.args] if isinstance(node, Function) else [*node.bases, *node.keywords]
        else:
            waiting += ast.iter_child_nodes(node)


def _bound(node: Binding) -> Sequence[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias(name=module, asname=name):
            return [name or module.partition(".")[0]]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return [name]
        case ast.MatchMapping(rest=str(name)):
            return [name]
        case ast.Global(names=names):
            return names
        case _:
            return []


def _blocks(statement: ast.stmt, own_start: bool) -> Iterator[list[ast.stmt]]:
    for name in _BLOCKS:
        if name == "body" and not own_start and _is_own_start(statement):
            continue
        if block := getattr(statement, name, None):
            yield block
    for handler in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield handler.body


def _is_own_start(statement: ast.stmt) -> bool:
    match statement:
        case ast.If(
            test=ast.Compare(
                left=ast.Name("__name__"), ops=[ast.Eq()], comparators=[ast.Constant("__main__")]
            )
        ):
            return True
        case _:
            return False


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
