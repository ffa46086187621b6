"""What keeps tests from being evidence, and code from being complete: told by the text of the files alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from .definitions import Function, last_name
from .expected import is_test_file
from .notices import Notice, NoticeKind

READ_BYTES = 256 * 2**10
"""Of one file of code; a larger one is not looked at, for a parser takes hundreds of times as much memory."""
_HINTS = (b"pass", b"...", b"NotImplementedError", b'"""', b"'''")
"""One of them stands in every file with a placeholder; most files hold none."""
_STORED = re.compile(rb"self\.(\w{1,100})(?:\s{0,9}:[^=\n]{0,100})?\s{0,9}=(?!=)")
_DEFINED = re.compile(rb"def\s{1,9}(\w{1,100})")
_CONTAINERS = frozenset({"dict", "list", "set", "tuple", "defaultdict", "OrderedDict", "Counter", "deque"})
_PLAIN = ast.Dict | ast.List | ast.Set | ast.Tuple | ast.Constant | ast.DictComp | ast.ListComp | ast.SetComp
_TODO = re.compile(r"\b(?:TODO|FIXME)\b")
_OPEN_BASES = frozenset({"Protocol", "ABC", "ABCMeta"})
_MAY_DO_NOTHING = frozenset({"__init__", "__exit__", "__aexit__", "__del__", "__post_init__"})
_OPEN_MARKS = frozenset({"abstractmethod", "overload", "abstractproperty"})
_READS_FILES = frozenset(
    {"open", "read_text", "read_bytes", "glob", "rglob", "iglob", "iterdir", "listdir", "scandir", "walk"}
    | {"import_module", "run_path", "run_module", "spec_from_file_location"}
)
"""Calls by which tests look at files under names that no reading of theirs tells."""
_NAMELESS = frozenset({"__init__", "__main__"})


def is_code(path: str) -> bool:
    """Whether it is a Python file of what is built, and none of its tests."""
    name = path.rpartition("/")[2]
    return path.endswith(".py") and not is_test_file(path) and name != "conftest.py"


def may_hold_placeholder(source: bytes) -> bool:
    """Whether it is worth a parser's time."""
    return len(source) <= READ_BYTES and any(hint in source for hint in _HINTS)


def placeholders(path: str, tree: ast.Module) -> Iterator[Notice]:
    """Functions in whose place something stands that does nothing; those for others to write are none."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    derived_from = {last_name(base) for node in classes for base in node.bases}
    owners = {id(child): node for node in classes for child in node.body}
    for node in ast.walk(tree):
        if not isinstance(node, Function) or _is_marked(node):
            continue
        owner = owners.get(id(node))
        if owner is not None and _is_open(owner, derived_from):
            continue
        if what := _placeholder(node, overrides=owner is not None and bool(owner.bases)):
            yield Notice(NoticeKind.PLACEHOLDER, path, node.lineno, f"{node.name} is not written: {what}")


def may_hide_method(source: bytes) -> bool:
    """Whether it is worth a parser's time."""
    return len(source) <= READ_BYTES and not set(_STORED.findall(source)).isdisjoint(_DEFINED.findall(source))


def hidden_methods(path: str, tree: ast.Module) -> Iterator[Notice]:
    """Attributes of plain data under the name of a method of the same class, which nobody can call then."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        methods = {one.name for one in node.body if isinstance(one, Function) and not one.decorator_list}
        for stored, value in (pair for one in node.body for pair in _stored(one)):
            if stored.attr in methods and _is_plain_data(value):
                text = (
                    f"self.{stored.attr} hides the method {node.name}.{stored.attr}, so that it cannot be "
                    f"called: give the attribute another name, such as self._{stored.attr}"
                )
                yield Notice(NoticeKind.HIDES_METHOD, path, stored.lineno, text)


def _stored(method: ast.stmt) -> Iterator[tuple[ast.Attribute, ast.expr]]:
    """What a method assigns to attributes of `self`."""
    if not isinstance(method, Function):
        return
    for node in ast.walk(method):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Attribute) and last_name(target.value) == "self":
                yield target, node.value


def _is_plain_data(value: ast.expr) -> bool:
    """Whether it is a literal or a container: nothing that could be called in the method's place."""
    if isinstance(value, ast.Call):
        return last_name(value.func) in _CONTAINERS
    return isinstance(value, _PLAIN)


def _is_open(node: ast.ClassDef, derived_from: set[str]) -> bool:
    """Whether its methods are for others to write."""
    bases = {last_name(base) for base in node.bases}
    bases |= {last_name(keyword.value) for keyword in node.keywords if keyword.arg == "metaclass"}
    return bool(bases & _OPEN_BASES) or node.name in derived_from


def _is_marked(function: Function) -> bool:
    return any(last_name(mark) in _OPEN_MARKS for mark in function.decorator_list)


def _placeholder(function: Function, overrides: bool) -> str:
    """What stands in place of its body; "" when something does, or when doing nothing is its sense.

    Args:
        overrides: Whether it may silence what a base does.
    """
    if function.name.startswith("pytest_"):
        return ""
    match [node for node in function.body if not _is_docstring(node)]:
        case []:
            promises = function.returns is not None and not _is_none(function.returns)
            later = _TODO.search(ast.get_docstring(function, clean=False) or "")
            return "it has a docstring and no body" if promises or later else ""
        case [ast.Pass()]:
            does_nothing = overrides or function.name in _MAY_DO_NOTHING or "noop" in function.name
            return "" if does_nothing else "`pass`"
        case [ast.Expr(value=ast.Constant(value=value))] if value is ...:
            return "`...`"
        case [ast.Raise(exc=ast.expr() as raised)] if last_name(raised) == "NotImplementedError":
            return "it raises NotImplementedError"
        case _:
            return ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def own_names(tree: ast.Module) -> dict[str, int]:
    """Classes and functions of the top level, with their lines; none of tests, none that are private."""
    return {
        node.name: node.lineno
        for node in tree.body
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith(("_", "test", "Test"))
    }


def subject_of(path: str, code: Iterable[str]) -> str:
    """The file of code that a file of tests is named after; "" for none."""
    stem = path.rpartition("/")[2].removesuffix(".py")
    stem = stem.removeprefix("test_") if stem.startswith("test_") else stem.removesuffix("_test")
    found = [one for one in code if one.rpartition("/")[2] == f"{stem}.py"]
    return found[0] if len(found) == 1 else ""


def reimplemented(path: str, tree: ast.Module, subject: str, names: Mapping[str, int]) -> Iterator[Notice]:
    """What tests define themselves in place of what they are to test."""
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name not in names:
            continue
        if isinstance(node, ast.ClassDef) and any(last_name(base) == node.name for base in node.bases):
            continue
        if _is_fixture(node):
            continue
        text = (
            f"{node.name} is defined here again, so these tests do not test {subject}: import it from there"
        )
        yield Notice(NoticeKind.REIMPLEMENTS, path, node.lineno, text)


def _is_fixture(node: Function | ast.ClassDef) -> bool:
    return any(last_name(mark) in ("fixture", "yield_fixture") for mark in node.decorator_list)


def module_names(code: Iterable[str]) -> frozenset[str]:
    """Every name by which an import could begin that reaches one of the files."""
    names: set[str] = set()
    for path in code:
        segments = path.removesuffix(".py").split("/")
        names.update(segment for segment in segments if segment not in _NAMELESS)
    return frozenset(names)


def reaches(tree: ast.Module, names: frozenset[str]) -> bool:
    """Whether the file imports one of the modules, names one as text as what starts a program does, or reads
    files by itself.
    """
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(level=level, module=module):
                if level or (module or "").partition(".")[0] in names:
                    return True
            case ast.Import(names=aliases):
                if any(alias.name.partition(".")[0] in names for alias in aliases):
                    return True
            case ast.Constant(value=str(text)):
                # Short ones only: prose names everything.
                if len(text) <= 200 and names & set(re.split(r"[./\s]", text)):
                    return True
            case ast.Call(func=called) if last_name(called) in _READS_FILES:
                return True
            case _:
                continue
    return False


def never_imports(path: str) -> Notice:
    """Tests that could not fail whatever the files do."""
    text = "these tests import no module of the files, so they test nothing of them: import what they test"
    return Notice(NoticeKind.TESTS_NOTHING, path, 0, text)
