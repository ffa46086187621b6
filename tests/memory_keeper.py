"""A store in memory that refuses what the real keeper refuses: for tests of what stands above it."""

from __future__ import annotations

from collections.abc import Iterator

from lmac_sandbox import (
    BadPath,
    FileEntry,
    FileMissing,
    Overlay,
    PathRejected,
    StoreFull,
    StoreLimits,
    check_path,
    store_digest,
)
from lmac_sandbox.inside.paths import parents
from lmac_sandbox.inside.store_digest import content_digest


class MemoryKeeper:
    """Keeps files in a dictionary, under the path rules and limits of the real one."""

    def __init__(self, limits: StoreLimits | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self._limits = limits or StoreLimits()

    def write(self, path: str, content: bytes) -> str:
        self._demand_legal(path)
        files = self.files | {path: content}
        if len(content) > self._limits.file_bytes or len(files) > self._limits.store_files:
            raise StoreFull("a limit of the store would be passed")
        if sum(map(len, files.values())) > self._limits.store_bytes:
            raise StoreFull("the store is full")
        if any(folder in self.files for folder in parents(path)):
            raise PathRejected(f"{path!r} clashes with a file")
        if any(path in parents(other) for other in self.files):
            raise PathRejected(f"{path!r} clashes with a folder")
        self.files = files
        return self.digest()

    def read(self, path: str) -> bytes:
        self._demand_legal(path)
        if path not in self.files:
            raise FileMissing(f"{path!r} is not in the store")
        return self.files[path]

    def delete(self, path: str) -> str:
        self.read(path)
        del self.files[path]
        return self.digest()

    def list(self) -> tuple[FileEntry, ...]:
        return tuple(
            FileEntry(path, len(content), content_digest(content))
            for path, content in sorted(self.files.items())
        )

    def digest(self) -> str:
        return store_digest(self.files)

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        yield from sorted(self.files.items())

    def overlay_digest(self, overlay: Overlay) -> str:
        tried = MemoryKeeper(self._limits)
        tried.files = dict(self.files)
        for path in [path for path, content in overlay.items() if content is None]:
            tried.delete(path)
        for path, content in overlay.items():
            if content is not None:
                tried.write(path, content)
        return tried.digest()

    @staticmethod
    def _demand_legal(path: str) -> None:
        try:
            check_path(path)
        except BadPath as error:
            raise PathRejected(str(error)) from error
