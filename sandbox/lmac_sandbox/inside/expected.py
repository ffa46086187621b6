"""The test functions that a file's text promises, by pytest's default rules; nothing is executed.

Parametrised ids, inherited and generated tests are more than what stands here; less must not run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .definitions import Function, assigned_names, last_name, statements, yields
from .notices import Notice, NoticeKind

_NO_FUNCTIONS = frozenset({"fixture", "yield_fixture", "property", "cached_property", "overload"})
"""Decorators by whose work a function named as a test is none."""
_MAKES_INIT = frozenset({"dataclass", "define", "attrs"})
_CONSTRUCTORS = frozenset({"__init__", "__new__"})
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file promises."""

    functions: dict[str, Function]
    """By test id, in order."""
    notices: list[Notice]


def is_test_file(path: str) -> bool:
    """Whether pytest takes it for a file of tests."""
    name = path.rpartition("/")[2]
    return name.endswith("_test.py") or (name.startswith("test_") and name.endswith(".py"))


def read_tests(path: str, tree: ast.Module) -> Reading:
    """The test functions of one file."""
    reader = _Reader(path, tree)
    functions = reader.scope(tree.body, path)
    if functions and _is_switched_off(tree.body):
        reader.say(NoticeKind.SWITCHED_OFF, 1, "pytest runs no test of this file: __test__ is False")
        functions = {}
    return Reading(functions, reader.notices)


class _Reader:
    def __init__(self, path: str, tree: ast.Module) -> None:
        self._path = path
        self._classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self._bases = {last_name(base) for node in self._classes.values() for base in node.bases}
        self.notices: list[Notice] = []

    def scope(self, body: Sequence[ast.stmt], prefix: str, depth: int = 0) -> dict[str, Function]:
        """Tests by id."""
        found: dict[str, Function] = {}
        for node in self._defined(body):
            if isinstance(node, ast.ClassDef):
                if depth < _DEPTH:
                    found |= self._class(node, f"{prefix}::{node.name}", depth)
            elif _is_test_function(node):
                found[f"{prefix}::{node.name}"] = node
            elif excuse := _excuse(node):
                self.say(
                    NoticeKind.SWITCHED_OFF,
                    node.lineno,
                    f"{node.name} is no test of pytest's: it is a {excuse}",
                )
        return found

    def say(self, kind: NoticeKind, line: int, text: str) -> None:
        """Add a notice on this file."""
        self.notices.append(Notice(kind, self._path, line, text))

    def _defined(self, body: Sequence[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
        """The last definition of each name; a removed class (`del Base`) is gone."""
        found: dict[str, Function | ast.ClassDef] = {}
        for statement in statements(body):
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    found[statement.name] = statement
                case ast.Delete(targets=targets):
                    for target in targets:
                        if isinstance(target, ast.Name) and isinstance(
                            removed := found.get(target.id), ast.ClassDef
                        ):
                            del found[target.id]
                            self._name_uncollected(removed, "it is deleted")
        self._name_shadowed(body, found)
        yield from found.values()

    def _name_shadowed(self, body: Sequence[ast.stmt], found: Mapping[str, ast.stmt]) -> None:
        """Definitions side by side; those in two branches of one `if` or `try` are meant so."""
        side_by_side = set(body)
        for node in body:
            if not isinstance(node, Function | ast.ClassDef) or found.get(node.name, node) is node:
                continue
            last = found[node.name]
            is_class = isinstance(node, ast.ClassDef) and node.name.startswith("Test")
            if (is_class or _is_test_function(node)) and last in side_by_side:
                text = f"{node.name} is defined again in line {last.lineno}; this one never runs: rename one"
                self.say(NoticeKind.HIDDEN, node.lineno, text)

    def _class(self, node: ast.ClassDef, identity: str, depth: int) -> dict[str, Function]:
        lineage = self._lineage(node)
        is_case = any(last_name(base).endswith("TestCase") for link in lineage for base in link.bases)
        if not is_case and not node.name.startswith("Test"):
            self._name_uncollected(node, "its name does not begin with Test")
            return {}
        # The loader of unittest looks for methods alone.
        body = [child for child in node.body if not isinstance(child, ast.ClassDef)] if is_case else node.body
        found = self.scope(body, identity, depth + 1)
        if is_case:
            self._name_never_awaited(node.name, found.values(), lineage)
        if found and (why := _why_not_run(node, lineage, is_case)):
            self.say(NoticeKind.SWITCHED_OFF, node.lineno, f"pytest runs no test of {node.name}: {why}")
            return {}
        return found

    def _name_never_awaited(
        self, case: str, functions: Iterable[Function], lineage: Sequence[ast.ClassDef]
    ) -> None:
        """unittest calls such a test, drops what it returns, and counts it as passed: its body never runs."""
        awaits = any(last_name(base) != "TestCase" for link in lineage for base in link.bases)
        for function in functions:
            if isinstance(function, ast.AsyncFunctionDef) and not awaits:
                text = (
                    f"{function.name} is async and never awaited: derive {case} from IsolatedAsyncioTestCase"
                )
                self.say(NoticeKind.HIDDEN, function.lineno, text)
            elif yields(function):
                self.say(
                    NoticeKind.HIDDEN, function.lineno, f"{function.name} yields, so its body never runs"
                )

    def _name_uncollected(self, node: ast.ClassDef, why: str) -> None:
        """Of a class that another one of the file inherits from, the tests run there."""
        if node.name not in self._bases and any(map(_is_test_function, statements(node.body))):
            self.say(NoticeKind.SWITCHED_OFF, node.lineno, f"pytest runs no test of {node.name}: {why}")

    def _lineage(self, node: ast.ClassDef) -> list[ast.ClassDef]:
        """The class and those of its bases that this file defines."""
        lineage = [node]
        for link in lineage:
            if len(lineage) > _DEPTH:
                break
            bases = [self._classes.get(base.id) for base in link.bases if isinstance(base, ast.Name)]
            lineage += [base for base in bases if base is not None and base not in lineage]
        return lineage


def _is_test_function(node: ast.stmt) -> bool:
    return isinstance(node, Function) and node.name.startswith("test") and not _excuse(node)


def _excuse(node: ast.stmt) -> str:
    """The decorator that makes something else of a function named as a test; "" for none."""
    if not isinstance(node, Function) or not node.name.startswith("test"):
        return ""
    return next((name for one in node.decorator_list if (name := last_name(one)) in _NO_FUNCTIONS), "")


def _why_not_run(node: ast.ClassDef, lineage: Sequence[ast.ClassDef], is_case: bool) -> str:
    """ "" when pytest runs the class's tests."""
    if _is_switched_off(node.body):
        return "__test__ is False"
    marks = [mark for child in node.body if isinstance(child, Function) for mark in child.decorator_list]
    if any(last_name(mark) == "abstractmethod" for mark in marks):
        return "it is abstract"
    if is_case:
        return ""
    names = {child.name for link in lineage for child in link.body if isinstance(child, Function)}
    decorators = {last_name(decorator) for link in lineage for decorator in link.decorator_list}
    return "it has a constructor" if names & _CONSTRUCTORS or decorators & _MAKES_INIT else ""


def _is_switched_off(body: Sequence[ast.stmt]) -> bool:
    return any(
        "__test__" in assigned_names(statement)
        and isinstance(value := getattr(statement, "value", None), ast.Constant)
        and not value.value
        for statement in body
    )
