"""A store in which nothing is written: changes over the real one, for candidates that may be thrown away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from lmac.file_store import FileStore
from lmac_sandbox import FileEntry, FileMissing, Overlay


class DraftStore(FileStore):
    """Takes writes and deletions as the real one does, and keeps them as an overlay."""

    def __init__(self, base: FileStore) -> None:
        # The keeper is asked for nothing: what stands in the real store is read through it.
        self._base = base
        self.overlay: dict[str, bytes | None] = {}

    def write(self, path: str, content: bytes) -> str:
        # A reply that the store would not take must not end the judging of it, let alone the run.
        self.overlay_digest({path: content})
        self.overlay[path] = content
        return self.digest()

    def read(self, path: str) -> bytes:
        if path not in self.overlay:
            return self._base.read(path)
        content = self.overlay[path]
        if content is None:
            raise FileMissing(f"{path!r} is not in the store")
        return content

    def delete(self, path: str) -> str:
        self.read(path)
        if self._base.missing([path]):
            del self.overlay[path]
        else:
            self.overlay[path] = None
        return self.digest()

    def digest(self) -> str:
        """Tells drafts apart; the digest of the store that a draft would make is the keeper's to say."""
        changes = hashlib.sha256(self._base.digest().encode())
        for path, content in sorted(self.overlay.items()):
            changes.update(f"{path}\0{'gone' if content is None else len(content)}\0".encode())
            changes.update(content or b"")
        return changes.hexdigest()

    def overlay_digest(self, overlay: Overlay) -> str:
        return self._base.overlay_digest({**self.overlay, **overlay})

    def paths(self) -> tuple[str, ...]:
        written = {path for path, content in self.overlay.items() if content is not None}
        return tuple(sorted(written.union(self._base.paths()) - (self.overlay.keys() - written)))

    def missing(self, paths: Iterable[str]) -> tuple[str, ...]:
        asked = tuple(paths)
        absent = set(self._base.missing(asked))
        written = [path for path, content in self.overlay.items() if content is not None]
        return tuple(
            path
            for path in asked
            if (path in absent or path in self.overlay)
            and not any(held == path or held.startswith(f"{path}/") for held in written)
        )

    def entries(self) -> tuple[FileEntry, ...]:
        return tuple(
            FileEntry(path, len(content), hashlib.sha256(content).hexdigest())
            for path, content in self.files()
        )

    def files(self) -> Iterator[tuple[str, bytes]]:
        for path in self.paths():
            yield path, self.read(path)
