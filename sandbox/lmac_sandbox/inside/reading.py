"""The reading of a working folder before a session: which tests it promises, and what else is to be said.

Trusted code does it, in the session's own process, before anything of the store is imported there; the answer
goes over a pipe that is closed by then. A file that is a bomb for the parser ends the session as it would
end pytest, by the box's limits; nothing passes without a reading.
"""

from __future__ import annotations

import ast
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .assertions import asserting_helpers, assertion_count
from .bystanders import read_names
from .events import ID_CHARACTERS, cut_text, is_text
from .evidence import (
    READ_BYTES,
    hidden_methods,
    is_code,
    may_hide_method,
    may_hold_placeholder,
    module_names,
    never_imports,
    own_names,
    placeholders,
    reaches,
    reimplemented,
    subject_of,
)
from .expected import is_test_file, read_tests
from .frames import Frame
from .hooks import foreign_plugin, read_calls, read_hooks, read_plugins
from .notices import Notice, NoticeKind, notice_of
from .suppressions import suppressions
from .tree import Tree

EXPECTED_IDS = 10_000
IDS_CHARACTERS = 10**6
"""Of all expected ids together."""
NOTICES = 200
READING_BYTES = 8 * 2**20
"""A reading is never longer: escapes take six bytes a character."""
_SOURCE_BYTES = 2**23
_HEAD_BYTES = 64 * 2**10
_FIELDS = frozenset({"expected_ids", "assertions", "ids_left_out", "notices", "notices_left_out"})
_ORDER = {kind: place for place, kind in enumerate(NoticeKind)}


def tell_reading(folder: str, descriptor: int) -> None:
    """Read the folder, write the answer and close the descriptor: nobody adds to it later."""
    body = json.dumps(read_folder(folder), ensure_ascii=True, separators=(",", ":")).encode("ascii")
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(body)


def read_folder(folder: str) -> Frame:
    """The reading of every regular file below the folder."""
    tree = Tree(folder)
    try:
        paths = list(tree.walk())
        sources = {path: tree.read(path, _SOURCE_BYTES) for path in paths if path.endswith(".py")}
        notices = [*read_names(paths, lambda path: tree.read(path, _HEAD_BYTES))]
    finally:
        tree.close()
    with warnings.catch_warnings():
        # An invalid escape in a string is a warning of the compiler, which tells it on its own.
        warnings.simplefilter("ignore")
        tests, said = read_sources(sources)
    return _capped(tests, [*notices, *said])


def read_sources(sources: Mapping[str, bytes]) -> tuple[dict[str, int], list[Notice]]:
    """Expected ids, each with the number of its assertions, and notices of Python files, by path."""
    tests: dict[str, int] = {}
    notices: list[Notice] = []
    trees: dict[str, ast.Module] = {}
    for path in sources:
        if (_is_conftest(path) or is_test_file(path)) and (tree := _parsed(path, sources[path], notices)):
            trees[path] = tree
    common = [tree for path, tree in trees.items() if _is_conftest(path)]
    for path, tree in trees.items():
        try:
            found, said = _read_one(path, tree, sources[path], common)
        except RecursionError as error:
            notices.append(_unreadable(path, error))
            continue
        tests |= found
        notices += said
    return tests, [
        *notices,
        *_brought_in(trees, sources),
        *_of_evidence(trees, sources, tests),
        *suppressions(sources.items()),
    ]


def _of_evidence(
    trees: Mapping[str, ast.Module], sources: Mapping[str, bytes], tests: Iterable[str]
) -> Iterator[Notice]:
    """On tests that test nothing of the code, and on code that is not written."""
    code = [path for path in sources if is_code(path)]
    names = module_names(path for path in code if sources[path].strip())
    by_conftest = any(reaches(tree, names) for path, tree in trees.items() if _is_conftest(path))
    with_tests = {identity.partition("::")[0] for identity in tests}
    # What tests inherit from other tests may reach the code for them.
    by_others = module_names(path for path, tree in trees.items() if reaches(tree, names))
    for path, tree in trees.items():
        if path not in with_tests or not names:
            continue
        if not by_conftest and not reaches(tree, names | by_others):
            yield never_imports(path)
        subject = subject_of(path, code)
        if subject and own_names(tree) and (built := _parsed_code(sources[subject])):
            yield from reimplemented(path, tree, subject, own_names(built))
    for path in code:
        held = may_hold_placeholder(sources[path])
        if (held or may_hide_method(sources[path])) and (built := _parsed_code(sources[path])):
            yield from placeholders(path, built)
            yield from hidden_methods(path, built)


def _parsed_code(source: bytes) -> ast.Module | None:
    """None for what the syntax check names."""
    if len(source) > READ_BYTES:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _read_one(
    path: str, tree: ast.Module, source: bytes, common: Sequence[ast.Module]
) -> tuple[dict[str, int], list[Notice]]:
    notices: list[Notice] = []
    # These words are rare, and a walk over every node is what takes the time.
    if any(word in source for word in (b"exit", b"Exit", b"quit", b"pluginmanager")):
        notices += read_calls(path, tree)
    if _is_conftest(path):
        notices += read_hooks(path, tree)
    if not is_test_file(path) or "__pycache__" in path.split("/"):
        return {}, notices
    reading = read_tests(path, tree)
    helpers = asserting_helpers([*common, tree])
    counts = {name: assertion_count(function, helpers) for name, function in reading.functions.items()}
    silent = [
        Notice(NoticeKind.ASSERTS_NOTHING, path, function.lineno, f"{function.name} asserts nothing")
        for name, function in reading.functions.items()
        if not counts[name]
    ]
    return counts, [*notices, *reading.notices, *silent]


def _parsed(path: str, source: bytes, notices: list[Notice]) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        notices.append(_unreadable(path, error))
        return None


def _unreadable(path: str, error: Exception) -> Notice:
    line = getattr(error, "lineno", None) or 0
    return Notice(NoticeKind.UNREADABLE, path, line, f"cannot be read: {type(error).__name__}: {error}")


def checked_reading(value: object) -> Frame | None:
    """The reading when it has exactly its fields, types and sizes; else None."""
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        return None
    ids, notices = value["expected_ids"], value["notices"]
    left_out = (value["ids_left_out"], value["notices_left_out"])
    if not isinstance(ids, list) or len(ids) > EXPECTED_IDS or not isinstance(notices, list):
        return None
    if not all(map(_is_count, left_out)):
        return None
    if not all(is_text(identity, ID_CHARACTERS) for identity in ids):
        return None
    assertions = value["assertions"]
    if not isinstance(assertions, list) or len(assertions) != len(ids) or not all(map(_is_count, assertions)):
        return None
    return value if len(notices) <= NOTICES and all(notice_of(item) for item in notices) else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def parse_reading(raw: bytes) -> Frame | None:
    """The reading in a pipe's bytes; None when its writer died on the way."""
    try:
        return checked_reading(json.loads(raw))
    except (ValueError, RecursionError):
        return None


def _brought_in(trees: Mapping[str, ast.Module], sources: Mapping[str, bytes]) -> Iterator[Notice]:
    """On modules that conftests import whole or that are named as plugins, and on what these bring in."""
    seen = {path for path in trees if _is_conftest(path)}
    waiting = [path for path in trees if path in seen or b"pytest_plugins" in sources[path]]
    known = dict(trees)
    for path in waiting:
        modules, notices = read_plugins(path, known[path], hooks_count=path in seen)
        yield from notices
        for module in modules:
            places = [place for place in _places(path, module.name) if place in sources]
            if module.is_plugin and not places:
                yield foreign_plugin(path, module.name)
            for place in places:
                if place in seen:
                    continue
                seen.add(place)
                unreadable: list[Notice] = []
                if tree := _parsed(place, sources[place], unreadable):
                    known[place] = tree
                    waiting.append(place)
                    yield from read_hooks(place, tree)
                yield from unreadable


def _places(importer: str, module: str) -> list[str]:
    """Paths of the store at which the importer may find a module."""
    name = module.lstrip(".")
    own = importer.split("/")[:-1]
    if level := len(module) - len(name):
        folders = ["/".join(own[: max(len(own) - level + 1, 0)])]
    else:
        folders = ["", "src", "/".join(own)]
    inner = name.replace(".", "/")
    stems = ["/".join(part for part in (folder, inner) if part) for folder in dict.fromkeys(folders)]
    return [path for stem in stems for path in (f"{stem}.py", f"{stem}/__init__.py".lstrip("/"))]


def _is_conftest(path: str) -> bool:
    return path.rpartition("/")[2] == "conftest.py"


def _capped(tests: Mapping[str, int], notices: list[Notice]) -> Frame:
    kept: list[str] = []
    room = IDS_CHARACTERS
    for identity in list(tests)[:EXPECTED_IDS]:
        short = cut_text(identity, ID_CHARACTERS)
        room -= len(short)
        if room < 0:
            break
        kept.append(short)
    first = sorted(notices, key=lambda notice: _ORDER[notice.kind])[:NOTICES]
    return {
        "expected_ids": kept,
        "assertions": list(tests.values())[: len(kept)],
        "ids_left_out": len(tests) - len(kept),
        "notices": [notice.frame() for notice in first],
        "notices_left_out": len(notices) - len(first),
    }
