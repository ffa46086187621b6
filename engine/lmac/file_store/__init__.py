"""The file store: precise reads and writes over the run's volume, through its keeper."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from lmac.disk import full_disk_named
from lmac.errors import SandboxFailure
from lmac.file_store.undo_log import Checkpoint, UndoLog
from lmac_sandbox import FileEntry, Overlay


class StoreKeeper(Protocol):
    """What the store needs of a keeper; `lmac_sandbox.Keeper` is one."""

    def write(self, path: str, content: bytes) -> str: ...
    def read(self, path: str) -> bytes: ...
    def delete(self, path: str) -> str: ...
    def list(self) -> tuple[FileEntry, ...]: ...
    def digest(self) -> str: ...
    def read_all(self) -> Iterator[tuple[str, bytes]]: ...
    def overlay_digest(self, overlay: Overlay) -> str: ...


class FileStore:
    """The run's files. Only the control unit's tools hold one; boxes see a read-only view.

    Source: L2MAC, section 3.2 (the file store D).
    """

    def __init__(self, keeper: StoreKeeper) -> None:
        self._keeper = keeper
        self._digest = keeper.digest()
        self._files = {entry.path: (entry.size_bytes, entry.sha256) for entry in keeper.list()}
        # By folder: files at any depth below it.
        self._folders: Counter[str] = Counter()
        for path in self._files:
            self._folders.update(_folders_of(path))
        self._log = UndoLog()
        self._changes: dict[str, bytes | None] = {}

    def write(self, path: str, content: bytes) -> str:
        """Replace one file atomically and return the digest of the whole store.

        Raises:
            PathRejected: the path breaks the store's rules; nothing was written.
            StoreFull: a limit would be passed; nothing was written.
        """
        self._note(path)
        self._digest = self._keeper.write(path, content)
        if path not in self._files:
            self._folders.update(_folders_of(path))
        self._files[path] = len(content), hashlib.sha256(content).hexdigest()
        self._changes[path] = content
        return self._digest

    def read(self, path: str) -> bytes:
        """One file's bytes.

        Raises:
            FileMissing: no such file.
            PathRejected: the path breaks the store's rules.
        """
        return self._keeper.read(path)

    def delete(self, path: str) -> str:
        """Remove one file and return the digest of the whole store.

        Raises:
            FileMissing: no such file.
            PathRejected: the path breaks the store's rules.
        """
        self._note(path)
        self._digest = self._keeper.delete(path)
        if self._files.pop(path, None) is not None:
            self._folders.subtract(_folders_of(path))
        self._changes[path] = None
        return self._digest

    def take_changes(self) -> dict[str, bytes | None]:
        """By path, what each file holds that changed since this was asked last; None for one that is gone."""
        changes, self._changes = self._changes, {}
        return changes

    def checkpoint(self) -> Checkpoint:
        """Remember the store as it is now; costs nothing until files change."""
        return self._log.mark(self._digest)

    def restore(self, checkpoint: Checkpoint) -> str:
        """Put back what changed since the checkpoint; returns the digest, which is the same again.

        Other checkpoints stay, later ones too.

        Raises:
            SandboxFailure: the checkpoint was forgotten, or the store did not become what it was.
            SandboxError: the keeper failed in the middle; a second call goes on.
        """
        try:
            then = self._log.changed_since(checkpoint)
        except KeyError:
            raise SandboxFailure(
                f"the store has forgotten its checkpoint {checkpoint.digest[:12]}",
                "this is a fault of LMAC: please report it with the run's journal",
            ) from None
        growth: dict[str, int] = {}
        for path, content in then.items():
            if content is None:
                if path in self._files:
                    # First of all, for a folder may stand where a file was.
                    self.delete(path)
            elif self._files.get(path, (0, ""))[1] != hashlib.sha256(content).hexdigest():
                growth[path] = len(content) - self._files.get(path, (0, ""))[0]
        # What shrinks makes room for what grows: both states fit, one between them might not.
        for path in sorted(growth, key=lambda path: growth[path]):
            self.write(path, then[path] or b"")
        if self._digest != checkpoint.digest:
            raise SandboxFailure(
                f"the store went back to {self._digest[:12]}, its checkpoint is {checkpoint.digest[:12]}",
                "this is a fault of LMAC: please report it with the run's journal",
            )
        return self._digest

    def forget_checkpoints(self) -> None:
        """Drop all of them, and what was kept for them."""
        self._log.forget()

    def digest(self) -> str:
        """The digest of the whole store as last written."""
        return self._digest

    def overlay_digest(self, overlay: Overlay) -> str:
        """The digest that the store would have with these changes; nothing is written.

        Raises:
            PathRejected, StoreFull, FileMissing: the store would not take them.
        """
        return self._keeper.overlay_digest(overlay)

    def paths(self) -> tuple[str, ...]:
        """Every file as last written, sorted."""
        return tuple(sorted(self._files))

    def digests(self) -> dict[str, str]:
        """The sha256 of every file as last written, sorted by path."""
        return {path: self._files[path][1] for path in sorted(self._files)}

    def missing(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of the paths that are neither a file nor a folder of the store."""
        return tuple(path for path in paths if path not in self._files and not self._folders[path])

    def entries(self) -> tuple[FileEntry, ...]:
        """Every file with size and digest, sorted by path."""
        return self._keeper.list()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file with its bytes, one at a time."""
        return self._keeper.read_all()

    def listing(self) -> str:
        """The files as the model is shown them."""
        entries = self.entries()
        if not entries:
            return "The store is empty."
        return "\n".join(f"{entry.path} ({entry.size_bytes} bytes)" for entry in entries)

    def _note(self, path: str) -> None:
        """Keep for checkpoints what the file holds; of a path that breaks the rules there is nothing."""
        with full_disk_named(Path(tempfile.gettempdir())):
            self._log.note(path, lambda: self._keeper.read(path) if path in self._files else None)


def _folders_of(path: str) -> Iterator[str]:
    """Every folder above the file."""
    while path := path.rpartition("/")[0]:
        yield path
