"""Files below one folder, reached by directory descriptors and never through a link."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from .paths import RESERVED_PREFIX

FILE_MODE = 0o644
FOLDER_MODE = 0o755
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO must not wait for a writer.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 2**20


class NotRegular(OSError):
    """Something that is not a regular file with a single name stands there."""


class TooLarge(OSError):
    """A file is larger than whoever reads it allows."""


class Tree:
    """One folder by descriptor; the folder used last stays open, so that sorted work opens each once."""

    def __init__(self, root: str) -> None:
        self._root = os.open(root, _FOLDER_FLAGS)
        self._folder = ""
        self._descriptor = self._root

    def close(self) -> None:
        """Give the descriptors back."""
        self._leave()
        os.close(self._root)

    def write(self, path: str, content: bytes) -> None:
        """Replace one file atomically, making its folders.

        Raises:
            OSError: the disk refused; the old content still stands.
        """
        self._replace(path, (content,))

    def _replace(self, path: str, chunks: Iterable[bytes]) -> None:
        folder, _, name = path.rpartition("/")
        descriptor = self._enter(folder, make=True)
        temporary = f"{RESERVED_PREFIX}new"
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=descriptor)
        file = os.open(temporary, _WRITE_FLAGS, FILE_MODE, dir_fd=descriptor)
        try:
            for chunk in chunks:
                _write_all(file, chunk)
        except OSError:
            os.unlink(temporary, dir_fd=descriptor)
            raise
        finally:
            os.close(file)
        os.rename(temporary, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)

    def read(self, path: str, limit_bytes: int) -> bytes:
        """One regular file, at most `limit_bytes + 1` bytes of it, so that a longer one is seen.

        Raises:
            NotRegular: a link, folder, pipe, socket, device or a file with a second name.
            OSError: it is not there or cannot be read.
        """
        with self._opened(path) as file:
            return b"".join(_chunks(file, limit_bytes + 1))

    def copy(self, path: str, target: Tree, limit_bytes: int) -> str:
        """Copy one regular file to the same path of another tree, without holding it whole.

        Returns:
            Hex sha256 of the bytes that were written.

        Raises:
            TooLarge: it has more than `limit_bytes`; the target is as before.
            NotRegular, OSError: as `read` and `write`.
        """
        digest = hashlib.sha256()

        def content(file: int) -> Iterator[bytes]:
            left = limit_bytes
            for chunk in _chunks(file, limit_bytes + 1):
                left -= len(chunk)
                if left < 0:
                    raise TooLarge(f"{path!r} is larger than a file of a box may be ({limit_bytes} bytes)")
                digest.update(chunk)
                yield chunk

        with self._opened(path) as file:
            target._replace(path, content(file))
        return digest.hexdigest()

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """Descriptor of one regular file with a single name."""
        folder, _, name = path.rpartition("/")
        file = os.open(name, _READ_FLAGS, dir_fd=self._enter(folder, make=False))
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise NotRegular(f"{path!r} is no regular file of its own")
            yield file
        finally:
            os.close(file)

    def remove(self, path: str, empty_folders: list[str]) -> None:
        """Delete one file and then these folders, innermost first."""
        folder, _, name = path.rpartition("/")
        os.unlink(name, dir_fd=self._enter(folder, make=False))
        self._leave()
        for empty in empty_folders:
            above, _, own = empty.rpartition("/")
            os.rmdir(own, dir_fd=self._enter(above, make=False))
            self._leave()

    def walk(self, folder: str = "") -> Iterator[str]:
        """Paths of all regular files at or below `folder`, sorted in each folder; all else is left out."""
        with os.scandir(self._enter(folder, make=False)) as scan:
            entries = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False))
                for entry in scan
                # A file that is being written, by a keeper beside a copying box: it is not there yet.
                if not entry.name.startswith(RESERVED_PREFIX)
            )
        prefix = f"{folder}/" if folder else ""
        yield from (prefix + name for name, _, is_file in entries if is_file)
        for name, is_folder, _ in entries:
            if is_folder:
                yield from self.walk(prefix + name)

    def clear_leftovers(self) -> None:
        """Remove temporary files and empty folders: what a writer leaves that was stopped in the middle."""
        for _, folders, files, descriptor in os.fwalk(".", topdown=False, dir_fd=self._root):
            for name in files:
                if name.startswith(RESERVED_PREFIX):
                    with suppress(OSError):
                        os.unlink(name, dir_fd=descriptor)
            for name in folders:
                # Most are not empty, and those stay.
                with suppress(OSError):
                    os.rmdir(name, dir_fd=descriptor)

    def _enter(self, folder: str, make: bool) -> int:
        """Descriptor of a folder, opened step by step from the root."""
        if folder == self._folder:
            return self._descriptor
        self._leave()
        descriptor = self._root
        for segment in folder.split("/") if folder else ():
            try:
                below = self._step(descriptor, segment, make)
            finally:
                if descriptor != self._root:
                    os.close(descriptor)
            descriptor = below
        self._folder, self._descriptor = folder, descriptor
        return descriptor

    def _step(self, descriptor: int, segment: str, make: bool) -> int:
        if make:
            with suppress(FileExistsError):
                os.mkdir(segment, FOLDER_MODE, dir_fd=descriptor)
        return os.open(segment, _FOLDER_FLAGS, dir_fd=descriptor)

    def _leave(self) -> None:
        if self._descriptor != self._root:
            os.close(self._descriptor)
        self._folder, self._descriptor = "", self._root


def _write_all(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _chunks(file: int, limit_bytes: int) -> Iterator[bytes]:
    left = limit_bytes
    while left > 0 and (chunk := os.read(file, min(left, _CHUNK_BYTES))):
        yield chunk
        left -= len(chunk)
