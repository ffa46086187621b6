"""The texts of a page, each once, under a limit for all of them."""

from __future__ import annotations

from lmac.report.chronicle.contents import Contents
from lmac.report.page.shown_text import bounded, visible

ABSENT, LEFT_OUT = -1, -2
"""In place of an index: there is no such text, or the page has no room for it."""


class Pool:
    """Gives each text its index where it is first used: what belongs together stands together and packs well.

    Room is given in another order, that of the texts' worth, to those that are admitted before they are used.
    """

    def __init__(self, contents: Contents, most_bytes: int) -> None:
        self._contents = contents
        self._left_bytes = most_bytes
        self._by_digest: dict[str, str | None] = {"": None}
        self._has_room: dict[str, bool] = {}
        self._indices: dict[str, int] = {}
        self._texts: list[str] = []

    def admit(self, text: str) -> None:
        """Give room to a text, if there is any."""
        self._admitted(_shown(text))

    def admit_kept(self, digest: str) -> None:
        """Give room to a kept content."""
        text = self._kept_text(digest)
        if text is not None:
            self._admitted(text)

    def text(self, text: str) -> int:
        """The index of a text."""
        return self._index(_shown(text))

    def kept(self, digest: str) -> int:
        """The index of a kept content."""
        text = self._kept_text(digest)
        return ABSENT if text is None else self._index(text)

    @property
    def left_out(self) -> int:
        """Texts for which there was no room."""
        return sum(1 for has_room in self._has_room.values() if not has_room)

    @property
    def texts(self) -> list[str]:
        """All of them, by their index."""
        return self._texts

    @property
    def bytes(self) -> int:
        """Of all texts together."""
        return sum(len(text.encode()) for text in self._texts)

    def _kept_text(self, digest: str) -> str | None:
        if digest not in self._by_digest:
            blob = self._contents.find(digest)
            self._by_digest[digest] = None if blob is None else _shown(as_text(blob))
        return self._by_digest[digest]

    def _admitted(self, text: str) -> bool:
        has_room = self._has_room.get(text)
        if has_room is None:
            size_bytes = len(text.encode())
            has_room = self._has_room[text] = size_bytes <= self._left_bytes
            self._left_bytes -= size_bytes if has_room else 0
        return has_room

    def _index(self, text: str) -> int:
        if not self._admitted(text):
            return LEFT_OUT
        if text not in self._indices:
            self._indices[text] = len(self._texts)
            self._texts.append(text)
        return self._indices[text]


def _shown(text: str) -> str:
    return visible(bounded(text))


def as_text(blob: bytes) -> str:
    """A content to read; of what is no text only how much it is."""
    if b"\0" in blob[:8192]:
        return f"(no text: {len(blob)} bytes)"
    return blob.decode("utf-8", "replace")
