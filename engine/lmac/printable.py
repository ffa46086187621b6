"""What may reach a terminal: text that it shows and does not obey, on a stream whose reader may have gone."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_GONE = (errno.EPIPE, errno.EIO)
"""A pipe that nobody reads, and a terminal that was closed."""


def printable(text: str, keep_newlines: bool = False) -> str:
    """The text with every character escaped that moves, hides or turns what is shown.

    Those are controls (C0 with tab and line feed, DEL, C1), separators, bidirectional marks and other
    invisible ones, lone surrogates and characters that Unicode has not assigned.

    Args:
        keep_newlines: Line feeds stay; for texts whose lines are our own.
    """
    kept = "\n" if keep_newlines else ""
    return "".join(char if char.isprintable() or char in kept else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


@contextmanager
def reader_may_go(stream: TextIO) -> Iterator[None]:
    """Writing goes on into nothing once nobody is at the stream's other end."""
    try:
        yield
    except OSError as error:
        if error.errno not in _GONE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
