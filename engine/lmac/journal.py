"""The journal of a run: append-only, hash-chained JSON lines, with long contents kept beside it by digest.

Each line is one event: `seq` from 0, `at` (UTC, ISO 8601), `kind`, `prev` (sha256 of the line before it,
64 zeros at the start) and the event's own data. A message, file or output is named by the sha256 of its
bytes, which lie in `blobs/<first two digits>/<digest>`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from lmac.disk import full_disk_named
from lmac.errors import ConfigError

JOURNAL_NAME = "journal.jsonl"
BLOBS_NAME = "blobs"
ORIGIN = "0" * 64


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a journal."""

    seq: int
    at: str
    kind: str
    data: Mapping[str, Any]


Listener = Callable[[Event], None]


class Journal:
    """The writer of a run's journal. One process at a time holds it.

    Events are handed to the operating system one by one and are on disk after `sync`.
    """

    def __init__(self, folder: Path, listener: Listener | None = None) -> None:
        """Begin the journal of a new run.

        Args:
            folder: The run's own, existing, folder.

        Raises:
            ConfigError: the folder holds a journal already.
            HostDiskFull: no space for the first line.
        """
        self._blobs = folder / BLOBS_NAME
        self._listener = listener
        # One value, so that no signal can come between its parts: next seq, digest of the last line, bytes.
        self._end = (0, ORIGIN, 0)
        # Candidates are asked side by side, and a retry is told where it happens.
        self._turn = threading.RLock()
        with full_disk_named(folder):
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._file = os.open(folder / JOURNAL_NAME, flags, 0o644)
            except FileExistsError as error:
                raise ConfigError(f"{folder} holds a run already", "choose another --id") from error
            self._blobs.mkdir(exist_ok=True)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def append(self, kind: str, **data: Any) -> Event:
        """Write one event.

        Raises:
            HostDiskFull: the line was not written whole.
        """
        with self._turn:
            return self._append(kind, data)

    def _append(self, kind: str, data: Mapping[str, Any]) -> Event:
        seq, prev, size_bytes = self._end
        event = Event(seq, datetime.now(UTC).isoformat(timespec="milliseconds"), kind, data)
        line = json.dumps(
            {"seq": event.seq, "at": event.at, "kind": kind, "prev": prev, "data": data},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode("utf-8", "backslashreplace")
        with full_disk_named(self._folder):
            if os.fstat(self._file).st_size > size_bytes:
                # What an interrupted append left: nobody was told of it.
                os.ftruncate(self._file, size_bytes)
            _write_whole(self._file, line + b"\n")
        self._end = (seq + 1, hashlib.sha256(line).hexdigest(), size_bytes + len(line) + 1)
        if self._listener is not None:
            self._listener(event)
        return event

    def keep(self, content: bytes | str) -> str:
        """Keep a content beside the journal and return its sha256; what is kept already costs nothing.

        Raises:
            HostDiskFull: the content was not kept.
        """
        blob = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
        digest = hashlib.sha256(blob).hexdigest()
        place = self._blobs / digest[:2] / digest
        if place.exists():
            return digest
        with full_disk_named(self._folder):
            place.parent.mkdir(exist_ok=True)
            partial = place.with_suffix(".partial")
            partial.write_bytes(blob)
            partial.replace(place)
        return digest

    def sync(self) -> None:
        """Return when every event so far is on disk."""
        with full_disk_named(self._folder):
            os.fdatasync(self._file)


def read_journal(folder: Path) -> Iterator[Event]:
    """The events of a run, in order; a torn last line, what a power cut leaves, is passed over.

    Raises:
        ConfigError: no journal, or a line that does not follow from the one before it.
    """
    path = folder / JOURNAL_NAME
    try:
        lines = path.open("rb")
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", "name a run folder, or a run's id under runs/"
        ) from error
    prev = ORIGIN
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            event = _event(line, prev)
            if event is None:
                raise ConfigError(f"{path}, line {number}: changed, or not written by this journal")
            yield event
            prev = hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def read_blob(folder: Path, digest: str) -> bytes:
    """A kept content.

    Raises:
        ConfigError: it is missing, or its bytes are not the ones that were kept.
    """
    path = folder / BLOBS_NAME / digest[:2] / digest
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if hashlib.sha256(blob).hexdigest() != digest:
        raise ConfigError(f"{path}: its bytes are not the ones that were kept")
    return blob


def _event(line: bytes, prev: str) -> Event | None:
    try:
        fields = json.loads(line)
        if fields["prev"] != prev:
            return None
        return Event(fields["seq"], fields["at"], fields["kind"], fields["data"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _write_whole(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
