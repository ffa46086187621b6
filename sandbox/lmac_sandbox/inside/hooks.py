"""What a conftest does to the session: pytest's hooks, by name. Code that reaches them otherwise is not seen.

hook, or what stands for it                                     what it can do         notice
pytest_generate_tests, _addoption, _addhooks, _sessionstart,    add tests and options, none
  _make_parametrize_id, _assertrepr_compare, _assertion_pass,   set up, explain
  _fixture_post_finalizer, _runtest_setup, _runtest_teardown,
  _runtest_logstart, _runtest_logfinish
pytest_configure with `addinivalue_line` and nothing else       name markers           none
pytest_report_header, _report_collectionfinish,                 print                  no_effect
  _report_teststatus, _terminal_summary, _warning_recorded
every other hook, and any hook that wraps                       hide, choose, rewrite  changes_session
collect_ignore, collect_ignore_glob                             hide                   changes_session
pytest_plugins: files of the store, read as conftests           as those               as those
pytest_plugins: anything else                                   anything               changes_session
the name `pluginmanager`                                        add hooks later        changes_session
`hookimpl` elsewhere than above a function of the module;       name hooks unread      changes_session
  the names __name__, __dir__ and __getattr__, when set;
  globals(), exec(), and vars() or locals() of the module
setattr, eval, __dict__, sys.modules                            perhaps that too       dynamic
a call of os._exit, sys.exit, exit, quit, pytest.exit           end the process        leaves

An ordinary hook can patch pytest itself, as any line of a test can: hence a session's verdict is a claim.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .definitions import Function, assigned_names, bound_names, last_name, statements
from .notices import Notice, NoticeKind

_ORDINARY = frozenset(
    {
        *("pytest_generate_tests", "pytest_addoption", "pytest_addhooks", "pytest_sessionstart"),
        *("pytest_make_parametrize_id", "pytest_assertrepr_compare", "pytest_assertion_pass"),
        *("pytest_fixture_post_finalizer", "pytest_runtest_setup", "pytest_runtest_teardown"),
        *("pytest_runtest_logstart", "pytest_runtest_logfinish"),
    }
)
_PRINTING = frozenset(
    {
        *("pytest_report_header", "pytest_report_collectionfinish", "pytest_report_teststatus"),
        *("pytest_terminal_summary", "pytest_warning_recorded"),
    }
)
_HIDING_SETTINGS = frozenset({"collect_ignore", "collect_ignore_glob"})
_OWN_PLUGINS = frozenset({"pytester"})
_NO_PLAIN_LIST = "pytest_plugins is no plain list of names"
_OF_MODULES = {
    "__name__": "decides what of the file runs",
    "__dir__": "decides which names pytest finds",
    "__getattr__": "decides which names pytest finds",
}
_EXITS = frozenset({"_exit", "exit", "quit"})


def read_hooks(path: str, tree: ast.Module) -> Iterator[Notice]:
    """Notices on a conftest, or on a module that serves as one."""
    for name, node in bound_names(tree.body):
        if name in _OF_MODULES:
            yield _changes(path, node.lineno, f"{name} {_OF_MODULES[name]}: remove it")
        elif isinstance(node, Function):
            yield from _of_function(path, node)
        elif name in _HIDING_SETTINGS:
            yield _changes(path, node.lineno, f"{name} keeps files from being collected")
        elif name != "pytest_plugins":
            yield from _of_name(path, node.lineno, name)
    yield from _of_unread_names(path, tree)


def _of_unread_names(path: str, tree: ast.Module) -> Iterator[Notice]:
    """On what makes hooks without a name that stands there."""
    read = {id(marker) for name, node in bound_names(tree.body) for marker in _markers(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="hookimpl") | ast.Attribute(attr="hookimpl") if id(node) not in read:
                yield _changes(
                    path, node.lineno, "hookimpl stands above no function of the file: write it there"
                )
            case ast.alias(name="hookimpl", asname=str(other)):
                yield _changes(path, node.lineno, f"hookimpl is called {other}: use its own name")
            case ast.Attribute(attr="hookwrapper" | "pytest_impl" as name):
                yield _changes(
                    path, node.lineno, f"{name} makes a function wrap the hooks of others: remove it"
                )
            case ast.Name(id="globals" | "exec" as name):
                yield _changes(path, node.lineno, f"{name} can define hooks unseen: write them down")
            case ast.Call(func=ast.Name(id="vars" | "locals" as name), args=[]):
                yield _changes(path, node.lineno, f"{name}() can define hooks unseen: write them down")
            case ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Name(id="__name__")):
                yield _changes(
                    path, node.lineno, "sys.modules[__name__] can define hooks unseen: write them down"
                )
            case ast.Name(id="setattr" | "eval" as name) | ast.Attribute(attr="__dict__" | "modules" as name):
                text = f"{name} can define what nobody reads: hooks are looked for by their names"
                yield Notice(NoticeKind.DYNAMIC, path, node.lineno, text)
            case _:
                continue


def _markers(node: ast.AST) -> Iterator[ast.expr]:
    """What stands directly above a function: a decorator, or what is called to make one."""
    if isinstance(node, Function):
        for decorator in node.decorator_list:
            yield decorator.func if isinstance(decorator, ast.Call) else decorator


@dataclass(frozen=True, slots=True)
class Brought:
    """A module whose names become hooks."""

    name: str
    """With leading dots when it is relative."""
    is_plugin: bool
    """Named in `pytest_plugins`; else imported whole."""


def read_plugins(path: str, tree: ast.Module, hooks_count: bool) -> tuple[list[Brought], list[Notice]]:
    """What a module brings in, and notices on a list that cannot be read.

    Args:
        hooks_count: Whether it is a conftest or serves as one, so that imported hooks count.
    """
    brought: list[Brought] = []
    notices: list[Notice] = []
    read: set[int] = set()
    for statement in statements(tree.body, own_start=True):
        if isinstance(statement, ast.ImportFrom) and hooks_count and statement.names[0].name == "*":
            brought.append(Brought("." * statement.level + (statement.module or ""), is_plugin=False))
        elif "pytest_plugins" in assigned_names(statement):
            names = _literal_names(getattr(statement, "value", None))
            if names is None:
                notices.append(_changes(path, statement.lineno, _NO_PLAIN_LIST))
            brought += [Brought(name, is_plugin=True) for name in names or () if name not in _OWN_PLUGINS]
            read |= {id(node) for node in ast.iter_child_nodes(statement)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="pytest_plugins") if id(node) not in read:
                notices.append(_changes(path, node.lineno, _NO_PLAIN_LIST))
            case ast.alias(name=name, asname=other) if (other or name) == "pytest_plugins":
                notices.append(_changes(path, node.lineno, _NO_PLAIN_LIST))
            case _:
                continue
    return brought, notices


def foreign_plugin(path: str, name: str) -> Notice:
    """A plugin that is no file of the store."""
    return _changes(path, 0, f"pytest_plugins loads {name[:100]}")


def read_calls(path: str, tree: ast.Module) -> Iterator[Notice]:
    """Calls that end the process, and names that reach into pytest; for test files and conftests."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="pluginmanager"):
                yield _changes(path, node.lineno, "pluginmanager can add hooks as it runs: remove it")
            case ast.Call(func=called) if last_name(called) in _EXITS:
                text = f"{ast.unparse(called)[:60]}() ends the whole session; let tests and imports return"
                yield Notice(NoticeKind.LEAVES, path, node.lineno, text)
            case ast.Raise(exc=ast.expr() as raised) if last_name(raised) == "SystemExit":
                yield Notice(NoticeKind.LEAVES, path, node.lineno, "raises SystemExit")
            case _:
                continue


def _of_function(path: str, function: Function) -> Iterator[Notice]:
    name, wraps = function.name, False
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and last_name(decorator) == "hookimpl":
            # Given by place, or from a dict, an option is not looked at.
            if decorator.args or any(keyword.arg is None for keyword in decorator.keywords):
                name, wraps = "pytest_", True
            for keyword in decorator.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                wraps = wraps or (keyword.arg in ("wrapper", "hookwrapper") and value is not False)
                if keyword.arg == "specname":
                    name = str(value) if isinstance(value, str) else "pytest_"
    if name == "pytest_configure" and not wraps and _only_names_markers(function):
        return
    if wraps and name.startswith("pytest_"):
        yield _changes(path, function.lineno, f"{name} wraps the hooks of others: remove it")
    else:
        yield from _of_name(path, function.lineno, name)


def _of_name(path: str, line: int, name: str) -> Iterator[Notice]:
    if not name.startswith("pytest_") or name in _ORDINARY:
        return
    if name in _PRINTING:
        yield Notice(NoticeKind.NO_EFFECT, path, line, f"{name} prints only; no verdict reads that")
    else:
        yield _changes(path, line, f"{name} can hide or rewrite results: remove it")


def _literal_names(value: ast.expr | None) -> list[str] | None:
    match value:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            names = [item.value for item in elements if isinstance(item, ast.Constant)]
            strings = [name for name in names if isinstance(name, str)]
            return strings if len(strings) == len(elements) else None
        case _:
            return None


def _only_names_markers(function: Function) -> bool:
    return all(_names_markers(statement) for statement in function.body)


def _names_markers(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=called, args=[ast.Constant("markers"), *_])):
            return last_name(called) == "addinivalue_line"
        case ast.For(body=body, orelse=[]):
            return all(_names_markers(inner) for inner in body)
        case _:
            return False


def _changes(path: str, line: int, text: str) -> Notice:
    return Notice(NoticeKind.CHANGES_SESSION, path, line, text)
