"""What files held before they changed, so that a store can go back to a checkpoint."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO

MEMORY_BYTES = 32 * 2**20
"""Contents kept in memory; later ones go to a nameless file of the host, which ends with this process."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state of the store that can be restored, for as long as the store does not forget it."""

    digest: str
    number: int


@dataclass(frozen=True, slots=True)
class _Spilled:
    """Where a content lies in the file."""

    start: int
    size_bytes: int


class UndoLog:
    """The contents that files had at each checkpoint, each kept once between two checkpoints.

    Costs what the changed files cost, never what the store does. Going back is a change like any other, so
    every checkpoint can be returned to, later ones too, until all are forgotten.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._held_bytes = 0
        self._spill: IO[bytes] | None = None
        self._open_files = ExitStack()
        # By checkpoint, and in it by path: what the file held then; None where there was none.
        self._before: list[dict[str, bytes | _Spilled | None]] = []
        self._first = 0

    def mark(self, digest: str) -> Checkpoint:
        """A checkpoint of the store as it is now."""
        if not self._before or self._before[-1]:
            self._before.append({})
        return Checkpoint(digest, self._first + len(self._before) - 1)

    def note(self, path: str, content: Callable[[], bytes | None]) -> None:
        """Before a file changes: keep what it holds, unless that is known since the last checkpoint.

        Args:
            content: Asked only when it is to be kept; None for no file.

        Raises:
            OSError: the host has no room for it.
        """
        if self._before and path not in self._before[-1]:
            self._before[-1][path] = self._kept(content())

    def changed_since(self, checkpoint: Checkpoint) -> dict[str, bytes | None]:
        """What files that may have changed since held at the checkpoint; None for none.

        Raises:
            KeyError: it was forgotten.
        """
        place = checkpoint.number - self._first
        if not 0 <= place < len(self._before):
            raise KeyError(checkpoint)
        then: dict[str, bytes | _Spilled | None] = {}
        for before in self._before[place:]:
            then = before | then
        return {path: self._content(kept) for path, kept in then.items()}

    def forget(self) -> None:
        """Drop all checkpoints, and what was kept for them."""
        self._first += len(self._before)
        self._before.clear()
        self._held_bytes = 0
        self._open_files.close()
        self._spill = None

    def _kept(self, content: bytes | None) -> bytes | _Spilled | None:
        if content is None or self._held_bytes + len(content) <= self._memory_bytes:
            self._held_bytes += len(content or b"")
            return content
        if self._spill is None:
            self._spill = self._open_files.enter_context(_nameless_file())
        start = self._spill.seek(0, 2)
        self._spill.write(content)
        self._spill.flush()
        return _Spilled(start, len(content))

    def _content(self, kept: bytes | _Spilled | None) -> bytes | None:
        if not isinstance(kept, _Spilled):
            return kept
        assert self._spill is not None
        self._spill.seek(kept.start)
        return self._spill.read(kept.size_bytes)


@contextmanager
def _nameless_file() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield file
