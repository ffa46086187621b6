"""What one file defines: Python by its syntax tree, JavaScript by a scan, Markdown by its headings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .definitions import Function, statements

PYTHON = (".py", ".pyi")
JAVASCRIPT = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx")
MARKDOWN = (".md", ".markdown")

MOST_DEFINITIONS = 2000
"""Kept of one file."""
LINE_CHARACTERS = 160
NAME_CHARACTERS = 200
_CLASS_DEPTH = 4
_SCANNED_CHARACTERS = 300
"""Of one line of JavaScript or Markdown."""

# Every alternative goes to the end where nothing closes it, so that no flood of openings is read twice.
_JS_APART = re.compile(
    r"//[^\n]*+"
    r"|/\*(?:[^*]|\*(?!/))*+(?:\*/)?"
    r'|"(?:\\.|[^"\\\n])*+"?'
    r"|'(?:\\.|[^'\\\n])*+'?"
    r"|`(?:\\.|[^`\\])*+`?",
    re.DOTALL,
)
_JS_FUNCTION = re.compile(r"(?:export +)?(?:default +)?(?:async +)?function *\*? *([\w$]*) *(\([^)]*+\)?)?")
_JS_CLASS = re.compile(r"(?:export +)?(?:default +)?(?:abstract +)?class +([\w$]+)")
_JS_CONSTANT = re.compile(r"(export +)?(?:const|let|var) +([\w$]+) *= *(.*+)")
_JS_EXPORTED = re.compile(r"(?:module\.)?exports\.([\w$]+) *=")
_JS_METHOD = re.compile(
    r" *(?:(?:static|async|get|set|public|private|protected|override) +)*\*? *"
    r"(#?[\w$]+) *(\([^)]*+\)?) *(?:: *[^{]{0,80})?\{"
)
_JS_NO_METHODS = frozenset({"if", "for", "while", "switch", "catch", "return", "function", "with"})
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_MARKDOWN_FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)")


class Definition(NamedTuple):
    """One class, function, method or heading; lines count from 1."""

    depth: int
    name: str
    """With the names of what it stands in, divided by dots; a heading's own text."""
    first: int
    last: int
    text: str
    """Its head in one line, with the first line of its docstring."""
    public: bool


class Outline(NamedTuple):
    """What a file is about, and what it defines."""

    about: str
    definitions: list[Definition]


def outline(path: str, source: bytes) -> Outline:
    """Read one file.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: the parser refuses it. It may also crash: call
            this in a process of its own.
    """
    if path.endswith(PYTHON):
        return _python(source)
    if path.endswith(JAVASCRIPT):
        return _javascript(source.decode("utf-8", "replace"))
    if path.endswith(MARKDOWN):
        return _markdown(source.decode("utf-8", "replace"))
    return Outline("", [])


def one_line(text: str, most_characters: int = LINE_CHARACTERS) -> str:
    """The text as a single line of characters that a terminal shows as they are."""
    line = " ".join(text[: 4 * most_characters].split())
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= most_characters else f"{line[: most_characters - 3]}..."


# Python


def _python(source: bytes) -> Outline:
    tree = ast.parse(source)
    found: list[Definition] = []
    _python_scope(tree.body, "", 0, found)
    return Outline(_first_line(tree), found)


def _python_scope(body: Sequence[ast.stmt], prefix: str, depth: int, found: list[Definition]) -> None:
    for node in statements(body):
        if len(found) >= MOST_DEFINITIONS:
            return
        if not isinstance(node, Function | ast.ClassDef):
            continue
        name = f"{prefix}{node.name}"
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        said = _first_line(node)
        text = one_line(_head(node) + (f": {said}" if said else ""))
        public = not node.name.startswith("_") or (node.name == "__init__" and depth > 0)
        last = node.end_lineno or node.lineno
        found.append(Definition(depth, name[:NAME_CHARACTERS], first, last, text, public))
        if isinstance(node, ast.ClassDef) and depth < _CLASS_DEPTH:
            _python_scope(node.body, f"{name}.", depth + 1, found)


def _head(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(one_line(ast.unparse(base), 40) for base in node.bases[:5])
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    start = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {one_line(ast.unparse(node.returns), 60)}" if node.returns else ""
    arguments = node.args
    if len(arguments.args) + len(arguments.kwonlyargs) + len(arguments.posonlyargs) > 30:
        return f"{start} {node.name}(...){returns}"
    return f"{start} {node.name}({one_line(ast.unparse(arguments), 120)}){returns}"


def _first_line(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    said = (ast.get_docstring(node, clean=False) or "").strip()
    return one_line(said.split("\n", 1)[0], 100)


# JavaScript


def _javascript(text: str) -> Outline:
    bare, comments = _without_literals(text)
    found: list[Definition] = []
    opened: list[tuple[int, int]] = []
    """Index of a definition and the depth of braces at which it ends."""
    classes: dict[int, str] = {}
    """Depth of a class's body to its name."""
    depth = 0
    for number, line in enumerate(bare.split("\n"), 1):
        opens, closes = line.count("{"), line.count("}")
        declared = _js_declared(line[:_SCANNED_CHARACTERS], depth, classes)
        if declared and len(found) < MOST_DEFINITIONS:
            name, head, public = declared
            said = comments.get(number - 1, "")
            own = 1 if depth in classes and depth else 0
            text_line = one_line(head + (f": {said}" if said else ""))
            if head.startswith(("class", "export class", "export default class")) and opens:
                classes[depth + 1] = name
            full = f"{classes[depth]}.{name}" if own else name
            found.append(Definition(own, full[:NAME_CHARACTERS], number, number, text_line, public))
            if opens > closes:
                opened.append((len(found) - 1, depth))
        depth = max(depth + opens - closes, 0)
        while opened and depth <= opened[-1][1]:
            index, _ = opened.pop()
            found[index] = found[index]._replace(last=number)
        if depth + 1 in classes and closes:
            del classes[depth + 1]
    return Outline("", found)


def _js_declared(line: str, depth: int, classes: dict[int, str]) -> tuple[str, str, bool] | None:
    """Name, head and whether it can be used from outside."""
    bare = line.rstrip().rstrip("{").rstrip()
    if depth in classes and depth:
        match = _JS_METHOD.match(line)
        if match and match[1] not in _JS_NO_METHODS:
            return match[1], bare.partition("{")[0].strip(), not match[1].startswith(("#", "_"))
        return None
    if depth:
        return None
    if match := _JS_FUNCTION.match(line):
        return match[1] or "default", match[0].strip(), True
    if match := _JS_CLASS.match(line):
        return match[1], bare, True
    if match := _JS_EXPORTED.match(line):
        return match[1], f"exports.{match[1]}", True
    match = _JS_CONSTANT.match(line)
    if match and (match[1] or "=>" in match[3] or "function" in match[3]):
        head = bare.partition("=>")[0].rstrip() if "=>" in bare else bare.partition("=")[0].rstrip()
        return match[2], head, True
    return None


def _without_literals(text: str) -> tuple[str, dict[int, str]]:
    """The text with comments and literals blanked, and first lines of `/**` comments by their last line."""
    comments: dict[int, str] = {}
    parts: list[str] = []
    at, line = 0, 1
    for match in _JS_APART.finditer(text):
        parts.append(text[at : match.start()])
        line += text.count("\n", at, match.start())
        literal = match[0]
        feeds = literal.count("\n")
        line += feeds
        if literal.startswith("/**"):
            said = (part.strip(" \t*/") for part in literal[:1000].split("\n"))
            comments[line] = one_line(next(filter(None, said), ""), 100)
        parts.append("\n" * feeds if feeds else " ")
        at = match.end()
    parts.append(text[at:])
    return "".join(parts), comments


# Markdown


def _markdown(text: str) -> Outline:
    lines = text.split("\n")
    found: list[Definition] = []
    open_at: list[tuple[int, int]] = []
    """Level and index of headings whose text goes on."""
    for number, level, title in _headings(lines):
        while open_at and open_at[-1][0] >= level:
            _, index = open_at.pop()
            found[index] = found[index]._replace(last=number - 1)
        if len(found) >= MOST_DEFINITIONS:
            break
        open_at.append((level, len(found)))
        found.append(
            Definition(
                level - 1,
                one_line(title, NAME_CHARACTERS),
                number,
                len(lines),
                one_line(f"{'#' * level} {title}"),
                True,
            )
        )
    return Outline("", found)


def _headings(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    fence = ""
    for number, line in enumerate(lines, 1):
        cut = line[:_SCANNED_CHARACTERS]
        marks = _MARKDOWN_FENCE.match(cut)
        if marks:
            if not fence:
                fence = marks[1]
            elif marks[1].startswith(fence):
                fence = ""
        elif not fence and (match := _HEADING.match(cut)):
            yield number, len(match[1]), match[2].rstrip("# \t")
