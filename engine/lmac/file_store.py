"""The file store: precise reads and writes over the run's volume, through its keeper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from lmac_sandbox import FileEntry


class StoreKeeper(Protocol):
    """What the store needs of a keeper; `lmac_sandbox.Keeper` is one."""

    def write(self, path: str, content: bytes) -> str: ...
    def read(self, path: str) -> bytes: ...
    def delete(self, path: str) -> str: ...
    def list(self) -> tuple[FileEntry, ...]: ...
    def digest(self) -> str: ...
    def read_all(self) -> Iterator[tuple[str, bytes]]: ...


class FileStore:
    """The run's files. Only the control unit's tools hold one; boxes see a read-only view.

    Source: L2MAC, section 3.2 (the file store D).
    """

    def __init__(self, keeper: StoreKeeper) -> None:
        self._keeper = keeper
        self._digest = keeper.digest()
        self._paths = {entry.path for entry in keeper.list()}

    def write(self, path: str, content: bytes) -> str:
        """Replace one file atomically and return the digest of the whole store.

        Raises:
            PathRejected: the path breaks the store's rules; nothing was written.
            StoreFull: a limit would be passed; nothing was written.
        """
        self._digest = self._keeper.write(path, content)
        self._paths.add(path)
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
        self._digest = self._keeper.delete(path)
        self._paths.discard(path)
        return self._digest

    def digest(self) -> str:
        """The digest of the whole store as last written."""
        return self._digest

    def paths(self) -> tuple[str, ...]:
        """Every file as last written, sorted."""
        return tuple(sorted(self._paths))

    def missing(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of the paths that are neither a file nor a folder of the store."""
        return tuple(
            path
            for path in paths
            if path not in self._paths and not any(held.startswith(f"{path}/") for held in self._paths)
        )

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
