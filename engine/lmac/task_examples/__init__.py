"""Examples in a task's own text: calls with the results that the task states.

The text is the user's, so reading it here is fine; its code is only parsed, and runs in a box. What is
doubtful is left out, for a wrong example would break right code.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from lmac.task_examples.forms import call_examples, stated_result
from lmac.task_examples.names import SubjectNames, subject_names

MOST_EXAMPLES = 200
_MOST_FOUND = 1000
"""Looked at before those that come twice, or contradict each other, are left out."""
_BLOCK_CHARACTERS = 20_000
_FENCE = re.compile(r"(`{3,20}|~{3,20})[ \t]{0,20}([A-Za-z0-9_+-]{0,20})[ \t]{0,20}")
_PROMPT, _GOES_ON = ">>>", "..."
_PLAIN_STATEMENTS = (
    ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Assert
)
_OF_CODE = ("return ", "if ", "elif ", "while ", "for ", "yield ", "raise ", "with ", "lambda ")
_RAISES = re.compile(r"#\s{0,4}(?:->\s{0,4})?raises?:?\s{1,4}`?(\w{1,60})")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an example."""

    code: str
    expected: str | None = None
    """Source of the literal that the expression is said to give; None when nothing is said of it."""
    raises: str | None = None
    """The builtin exception that it is said to raise."""
    line: int = field(default=0, compare=False)
    """Of the task's text, from 1."""

    @property
    def states(self) -> bool:
        """Whether the task says what comes of it."""
        return self.expected is not None or self.raises is not None


@dataclass(frozen=True, slots=True)
class Example:
    """Steps that share their variables."""

    line: int
    """Of the task's text, from 1."""
    names: tuple[tuple[str, str], ...]
    """What it takes from the files that are to be written: name and module."""
    steps: tuple[Step, ...]


def examples_of(text: str) -> tuple[Example, ...]:
    """The examples of a task, in order, each once; of two that contradict each other none."""
    lines = text.splitlines()
    names = subject_names(lines)
    stating = (example for example in _found(lines, names) if any(step.states for step in example.steps))
    found = list(islice(stating, _MOST_FOUND))
    said: dict[str, set[str | None]] = {}
    for example in found:
        if len(example.steps) == 1:
            said.setdefault(example.steps[0].code, set()).add(example.steps[0].expected)
    distinct: dict[tuple[Step, ...], Example] = {}
    for example in found:
        if len(said.get(example.steps[0].code, ())) < 2:
            distinct.setdefault(example.steps, example)
    return tuple(distinct.values())[:MOST_EXAMPLES]


def _found(lines: Sequence[str], names: SubjectNames) -> Iterator[Example]:
    number = 0
    while number < len(lines):
        if (fence := _FENCE.fullmatch(lines[number].strip())) and fence[2].lower() in (
            "python",
            "py",
            "python3",
        ):
            end = _fence_end(lines, number, fence[1])
            block = lines[number + 1 : end]
            if (examples := _of_block(block, number + 2, names)) is not None:
                yield from examples
                number = end + 1
                continue
        if lines[number].lstrip().startswith(_PROMPT):
            example, number = _of_doctest(lines, number, names)
            yield from example
            continue
        yield from _of_line(lines[number], number + 1, names)
        number += 1


def _of_line(line: str, number: int, names: SubjectNames) -> Iterator[Example]:
    if line.lstrip().startswith(_OF_CODE):
        return
    for code, expected in call_examples(line):
        reader = _Steps(names, number)
        if reader.add(code, expected, None):
            yield from reader.examples()


def _of_doctest(lines: Sequence[str], start: int, names: SubjectNames) -> tuple[list[Example], int]:
    """The session that begins there, with its docstring's or paragraph's end."""
    reader = _Steps(names, start + 1)
    number, is_whole = start, True
    while number < len(lines) and lines[number].lstrip().startswith(_PROMPT):
        first = number
        source = [lines[number].lstrip().removeprefix(_PROMPT)[1:]]
        number += 1
        while number < len(lines) and lines[number].lstrip().startswith(_GOES_ON):
            source.append(lines[number].lstrip().removeprefix(_GOES_ON)[1:])
            number += 1
        told: list[str] = []
        while number < len(lines) and _is_output(lines[number]):
            told.append(lines[number].strip())
            number += 1
        code = "\n".join(source)
        # A parser takes hundreds of times the memory of what it reads.
        is_whole = is_whole and len(code) + sum(map(len, told)) <= _BLOCK_CHARACTERS
        if is_whole and not _add_doctest(reader, code, told, first + 1):
            # What comes after it may need what was left out.
            is_whole = False
        while number < len(lines) and not lines[number].strip():
            number += 1
    return reader.examples(), number


def _add_doctest(reader: _Steps, code: str, told: Sequence[str], line: int) -> bool:
    reader.line = line
    if not told:
        forms = list(call_examples(code))
        return reader.add(*forms[0], None) if len(forms) == 1 else reader.add(code, None, None)
    if told[0].startswith("Traceback"):
        return reader.add(code, None, told[-1].partition(":")[0])
    return reader.add(code, _literal_of("\n".join(told)), None)


def _is_output(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith((_PROMPT, '"""', "'''", "```", "def ", "class "))


def _literal_of(text: str) -> str | None:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return None if "..." in text else text


def _of_block(block: Sequence[str], line: int, names: SubjectNames) -> list[Example] | None:
    """The examples of a block that uses what is to be written; None for one that is read line by line."""
    source = "\n".join(block)
    if len(source) > _BLOCK_CHARACTERS or _PROMPT in source:
        return None
    try:
        tree = ast.parse(source)
        comments = _comments(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return None
    if any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in tree.body):
        return None
    reader = _Steps(names, line)
    # As the parser counts lines; `ast.get_source_segment` would divide the whole block for each statement.
    lines = [text.encode() for text in block]
    for statement in tree.body:
        if not isinstance(statement, _PLAIN_STATEMENTS):
            break
        code = _segment(lines, statement)
        comment = comments.get(statement.end_lineno or 0, "")
        expected = stated_result(comment) if isinstance(statement, ast.Expr) else None
        raises = _RAISES.match(comment)
        reader.line = line + statement.lineno - 1
        if not reader.add(code, expected, raises[1] if raises else None):
            break
    return reader.examples()


def _segment(lines: Sequence[bytes], statement: ast.stmt) -> str:
    last = statement.end_lineno or statement.lineno
    own = list(lines[statement.lineno - 1 : last])
    # The end first: it is counted in the line as it is.
    own[-1] = own[-1][: statement.end_col_offset]
    own[0] = own[0][statement.col_offset :]
    return b"\n".join(own).decode()


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _fence_end(lines: Sequence[str], start: int, fence: str) -> int:
    for number in range(start + 1, len(lines)):
        if lines[number].strip().startswith(fence):
            return number
    return len(lines)


class _Steps:
    """Collects steps as long as every name in them is known."""

    def __init__(self, names: SubjectNames, line: int) -> None:
        self.line = line
        self._names = names
        self._first_line = line
        self._steps: list[tuple[int, Step]] = []
        self._own: set[str] = set()
        self._used: dict[str, str] = {}
        self._is_stateful = False

    def add(self, code: str, expected: str | None, raises: str | None) -> bool:
        """Take one step; False, and nothing taken, when it cannot be understood."""
        try:
            tree = ast.parse(code.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        if len(tree.body) != 1 or not isinstance(statement := tree.body[0], _PLAIN_STATEMENTS):
            return False
        if raises is not None and not _is_builtin_error(raises):
            return False
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return self._take_import(statement, code.strip())
        if any(isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(tree)):
            return False
        try:
            step = _step(statement, code.strip(), expected, raises)
        except RecursionError:
            # Python reads deeper nesting than it writes.
            return False
        if step is None:
            # It only prints.
            return True
        return self._take(tree, statement, step)

    def _take(self, tree: ast.Module, statement: ast.stmt, step: Step) -> bool:
        named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        stored = {node.id for node in named if not isinstance(node.ctx, ast.Load)}
        used: dict[str, str] = {}
        for node in named:
            if node.id in stored or node.id in self._own:
                continue
            if module := self._names.module_of(node.id, self.line):
                used[node.id] = module
            elif not hasattr(builtins, node.id):
                return False
        self._used |= used
        self._own |= stored
        self._is_stateful = (
            self._is_stateful or bool(stored) or not isinstance(statement, ast.Expr | ast.Assert)
        )
        self._steps.append((self.line, step))
        return True

    def _take_import(self, statement: ast.Import | ast.ImportFrom, code: str) -> bool:
        if isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
            if self._names.is_subject(statement.module):
                return not any(alias.asname or alias.name == "*" for alias in statement.names)
            modules = [statement.module]
        elif isinstance(statement, ast.Import):
            modules = [alias.name for alias in statement.names]
        else:
            return False
        if not all(self._names.is_standard(module) for module in modules):
            return False
        self._own |= {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
        self._is_stateful = True
        self._steps.append((self.line, Step(code)))
        return True

    def examples(self) -> list[Example]:
        """One example, or one a step where the steps share nothing."""
        names = tuple(sorted(self._used.items()))
        if not names:
            return []
        if self._is_stateful:
            steps = tuple(replace(step, line=line) for line, step in self._steps)
            last = max((place for place, step in enumerate(steps) if step.states), default=-1)
            return [Example(self._first_line, names, steps[: last + 1])] if last >= 0 else []
        return [
            Example(line, names, (replace(step, line=line),)) for line, step in self._steps if step.states
        ]


def _step(statement: ast.stmt, code: str, expected: str | None, raises: str | None) -> Step | None:
    """The statement as a step; None for a print of which nothing can be said."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name("print"), args=[value], keywords=[])):
            # How a string is printed says nothing of its quotes.
            is_text = expected is None or isinstance(ast.literal_eval(expected), str)
            return None if is_text else Step(ast.unparse(value), expected)
        case ast.Expr(value=ast.Call(func=ast.Name("print"))):
            return None
        case (
            ast.Expr(value=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]))
            | ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]))
        ) if expected is None and raises is None and _literal_of(ast.unparse(right)) is not None:
            return Step(ast.unparse(left), ast.unparse(right))
        case ast.Expr():
            return Step(code, expected, raises)
        case ast.Assert(test=test):
            return Step(f"bool({ast.unparse(test)})", "True")
        case _:
            return Step(code)


def _is_builtin_error(name: str) -> bool:
    known = getattr(builtins, name, None)
    return isinstance(known, type) and issubclass(known, Exception)
