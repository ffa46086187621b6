"""A journal in memory, for tests that drive thousands of runs."""

from __future__ import annotations

import hashlib
from typing import Any

from lmac.journal import Event, Journal


class MemoryJournal(Journal):
    """Keeps events and contents; nothing is on disk."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.blobs: dict[str, bytes] = {}

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def append(self, kind: str, **data: Any) -> Event:
        self.events.append(Event(len(self.events), "", kind, data))
        return self.events[-1]

    def keep(self, content: bytes | str) -> str:
        blob = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
        digest = hashlib.sha256(blob).hexdigest()
        self.blobs[digest] = blob
        return digest

    def sync(self) -> None:
        """Memory is as far as it goes."""

    def sync_events(self) -> None:
        """Nor are there events that a disk has."""

    def of_kind(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]
