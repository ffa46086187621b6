"""What reads untrusted text costs no more than the text's own size's worth, whatever stands in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lmac.checks.session import canonical, canonical_output
from lmac.messages import Finish, Reply
from lmac.printable import printable
from lmac.processor.continuation import joined
from lmac.processor.edit_blocks import BlockFault, replacements_in
from lmac.processor.fenced import FencedProtocol
from lmac.processor.fenced_blocks import path_of, pieces
from lmac.processor.json_protocol import JsonProtocol
from lmac.program import Instruction, Program, ProgramFault, Requirement, Task
from lmac.program.coverage import mended
from lmac.program.requirements import listed_requirements
from lmac.program.simple_forms import parse_numbered_program
from lmac.program_answers import PROGRAM
from lmac.rendering import untrusted
from lmac.rendering.excerpts import cause, excerpt
from lmac.task_examples import examples_of
from lmac.task_examples.stated_names import stated_names
from lmac.tools.edited_text import EditRefused
from lmac.tools.patching import patched
from lmac.tools.replacing import Replacement, replaced
from lmac_sandbox import Output
from lmac_sandbox.inside import markdown, outlines
from lmac_sandbox.inside.prose import repetitions
from lmac_sandbox.inside.store_links import read_links
from lmac_sandbox.inside.suppressions import suppressions

CHARACTERS = 10**6
SECONDS = 4.0
"""Of processor time, on a slow machine; a quadratic pattern takes many minutes."""


@contextmanager
def linear() -> Iterator[None]:
    before = time.process_time()
    yield
    assert time.process_time() - before < SECONDS


def flood(head: str, unit: str, tail: str) -> str:
    return head + unit * (CHARACTERS // len(unit)) + tail


FLOODS = {
    "tags": ("", "<a ", ""),
    "attributes": ("<a", " id", ""),
    "spaces in a tag": ("<a id", " ", "x"),
    "spaces in a mark": ("<", " ", "untrust"),
    "spaces": ("", " ", "x"),
    "dashes": ("|", "-", "x"),
    "cells": ("", "---|", "x"),
    "backslashes": ("", "\\", "|"),
    "backticks": ("```", "`", " x`"),
    "tildes and spaces": ("~~~", "~ ", "`"),
    "tildes": ("", "~", "`"),
    "spaces after a fence": ("```", " ", "`"),
    "stars": ("`a`", "*", "x"),
    "capitals": ("", "A", "a"),
    "escapes": ("", "\x1b[", "x"),
    "parameters of an escape": ("\x1b[", "0", "\x00"),
    "a title without end": ("\x1b]", "x", ""),
    "addresses": ("", "0x", ""),
    "temporary paths": ("", "/scratch/tmp/", ""),
    "comments": ("", "#", ""),
    "a comment of spaces": ("# noqa", " ", ":"),
    "numbers": ("1. ", "files: ", "("),
    "dots": ("1. files: ", "a. ", "("),
    "one word": ("1. files: ", "a", "("),
    "quotes": ("", ">", "`"),
    "comments without end": ("", "/*", ""),
    "literals without end": ("", "`\\", "'"),
    "double quotes": ("", "'\"", "\n"),
    "rules": ("_", " _", "x"),
    "lines": ("", "a\n", ">"),
    "braces": ("class A ", "{\n", "}"),
}


def _read_blocks(text: str) -> None:
    for piece in pieces(f"{text}\n```\nx\n```\n"):
        if not isinstance(piece, str):
            path_of(piece)


def _read_program(text: str) -> None:
    try:
        parse_numbered_program(text, 10)
    except ProgramFault:
        return


def _read_answer(text: str) -> None:
    try:
        PROGRAM.read_text(f"{{{text}}}")
    except ProgramFault:
        return


def _cover(text: str) -> None:
    mended(Program((Instruction(text), Instruction("b")), (Requirement(1, text),)).numbered())


def _shown(text: str) -> str:
    return Output(text.encode(), b"", len(text)).text()


def _edit(text: str) -> None:
    lines = "".join(f"{line}\n" for line in (text[start : start + 40] for start in range(0, len(text), 40)))
    # Half of it, with a line at its end that stands nowhere.
    for edit in (
        lambda: replaced(lines, [Replacement(f"{lines[: len(lines) // 2]}nowhere\n", "x")]),
        lambda: patched(lines, "@@\n" + "".join(f"-{line}\n" for line in lines.split("\n")) + "-nowhere\n"),
        lambda: replacements_in(text),
    ):
        try:
            edit()
        except (EditRefused, BlockFault):
            continue


READERS: dict[str, Callable[[str], object]] = {
    "edits": _edit,
    "fenced replies": lambda text: FencedProtocol().parse(Reply(f"<tool_call>{text}", Finish.STOP), ()),
    "JSON replies": lambda text: JsonProtocol().parse(Reply(f'{{"actions": [{text}', Finish.LENGTH), ()),
    "rests": lambda text: joined(f"FILE: a.py\n```\n{text[: CHARACTERS // 2]}", f"```py\n{text}\n```"),
    "untrusted": untrusted,
    "printable": printable,
    "canonical": canonical,
    "canonical output": canonical_output,
    "shown": _shown,
    "blocks": _read_blocks,
    "excerpt": lambda text: (excerpt(text, 1000), excerpt(f"E  {text}\n{text}:", 1000), cause(text)),
    "outline of JavaScript": lambda text: outlines.outline("a.js", f"{text}\nclass A {{\n{text}".encode()),
    "outline of Markdown": lambda text: outlines.outline("a.md", f"# {text}\n## {text}".encode()),
    "links of JavaScript": lambda text: read_links("a.js", text.encode(), ()),
    "links of Python": lambda text: read_links("a.py", f"from {text}\nimport {text}".encode(), ()),
    "program": _read_program,
    "requirements": lambda text: listed_requirements(Task(text, "t")),
    "answers": _read_answer,
    "coverage": _cover,
    "suppressions": lambda text: list(suppressions([("a.py", f"# noqa\n{text}".encode())])),
    "anchors": markdown._HTML_ANCHOR.findall,
    "fences": markdown._FENCE_LINE.fullmatch,
    "rows": lambda text: markdown._DELIMITER_ROW.fullmatch(text.strip()),
    "cells": markdown._cells,
    "examples": lambda text: examples_of(f"`a.py` has `f(x)`\n{text}"),
    "blocks of examples": lambda text: examples_of(
        "`a.py` has `f(x)`\n" + ("```python\n" + "f(1) # 2\n" * 2000 + "```\n") * 3 + text[:1000]
    ),
    "code of examples": lambda text: examples_of(
        "`a.py` has `f(x)`\n>>> f([\n" + "".join(f"... {text[n : n + 40]!r},\n" for n in range(0, 10**6, 40))
    ),
    "prose": lambda text: list(
        repetitions({"a.md": markdown.Document(paragraphs=[(1, text), (2, f"{text} b")])})
    ),
    "stated names": lambda text: stated_names(f"`a.py`\n`f` {text}\n`{text}`\n`f`, `g` and {text}"),
    "lines of examples": lambda text: examples_of("`a.py`" + text.replace(" ", "\n").replace("a", ">>> f(")),
}


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_of_untrusted_text_is_linear(reader: str) -> None:
    for head, unit, tail in FLOODS.values():
        with linear():
            READERS[reader](flood(head, unit, tail))
