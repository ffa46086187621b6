"""Comments that silence a tool altogether, counted; of those that name a rule only ty's, which obeys them."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Iterator

from .notices import Notice, NoticeKind

_HINTS = (b"noqa", b"ignore", b"cover", b"pylint", b"pyright")
"""One of them stands in every file that is worth a second look; most hold none."""
_BLANKET = {
    "# ruff: noqa": re.compile(r"#\s*(?:ruff|flake8)\s*:\s*noqa\s*(?![:\w])", re.IGNORECASE),
    "# noqa": re.compile(r"#\s*noqa\b(?!\s*:\s*[A-Z]+[0-9]+)", re.IGNORECASE),
    "# type: ignore": re.compile(r"#\s*type:\s*ignore\b(?!\s*\[)"),
    "# ty: ignore": re.compile(r"#\s*ty:\s*ignore\b"),
    "# pragma: no cover": re.compile(r"#\s*pragma:\s*no\s*cover\b", re.IGNORECASE),
    "# pylint: disable=all": re.compile(r"#\s*pylint:\s*(?:disable\s*=\s*all\b|skip-file\b)"),
    "# mypy: ignore-errors": re.compile(r"#\s*mypy:\s*ignore-errors\b"),
    "# pyright: ignore": re.compile(r"#\s*pyright:\s*(?:ignore\b(?!\s*\[)|basic\b|off\b)"),
}
_SHOWN_PLACES = 3
_TOKENISED_BYTES = 64 * 2**10
"""Of all files together; what is beyond is read line by line, where a string may look like a comment."""


def suppressions(files: Iterable[tuple[str, bytes]]) -> Iterator[Notice]:
    """One notice a kind of comment, with its count and first places.

    Args:
        files: Path and source of Python files.
    """
    places: dict[str, list[tuple[str, int]]] = {}
    room = _TOKENISED_BYTES
    for path, source in files:
        lowered = source.lower()
        if not any(hint in lowered for hint in _HINTS):
            continue
        comments = _comments(source) if len(source) <= room else _lines(source)
        room -= len(source)
        for line, comment in comments:
            for name, pattern in _BLANKET.items():
                if pattern.search(comment):
                    places.setdefault(name, []).append((path, line))
    for name, found in places.items():
        shown = ", ".join(f"{path}:{line}" for path, line in found[:_SHOWN_PLACES])
        path, line = found[0]
        yield Notice(NoticeKind.SUPPRESSION, path, line, f"`{name}`, {len(found)} times: {shown}")


def _comments(source: bytes) -> list[tuple[int, str]]:
    """Line and text of every comment; of a file that is no Python, whatever looks like one."""
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
    except (tokenize.TokenError, SyntaxError, ValueError, LookupError):
        return _lines(source)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def _lines(source: bytes) -> list[tuple[int, str]]:
    text = source.decode("utf-8", "replace")
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if "#" in line]
