"""Tar members as bytes that are the same on every host, whatever its Python."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import IO

from lmac_sandbox.errors import ImageError

CLAMPED_TIME = 1_000_000_000
"""Modification time of everything, in seconds of the epoch; zip files know none before 1980."""
BLOCK_BYTES = 512
COPY_BYTES = 1 << 20
END_OF_TAR = b"\0" * (2 * BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of a layer: a folder, a symbolic link or a regular file."""

    path: str
    """Without a leading slash."""
    kind: bytes
    """A type of `tarfile`: DIRTYPE, SYMTYPE or REGTYPE."""
    mode: int
    link_target: str = ""
    offset: int = 0
    """Where the content starts in the spool."""
    size_bytes: int = 0
    owner_uid: int = 0
    """Number of its user and of its group."""

    def padding(self) -> bytes:
        """What follows the content, up to the next block."""
        return b"\0" * (-self.size_bytes % BLOCK_BYTES)


def tar_header(entry: Entry) -> bytes:
    """A POSIX ustar header. Written here because `tarfile` has changed its bytes between Python versions.

    Raises:
        ImageError: a path or link too long for ustar.
    """
    prefix, name = _split_name(entry.path + ("/" if entry.kind == tarfile.DIRTYPE else ""))
    # Known by number alone: a host that reads the tar may have another user of that name.
    owner_name = b"" if entry.owner_uid else b"root"
    fields = [
        name.ljust(100, b"\0"),
        *(b"%07o\0" % number for number in (entry.mode, entry.owner_uid, entry.owner_uid)),
        b"%011o\0%011o\0" % (entry.size_bytes, CLAMPED_TIME),
        b" " * 8,
        entry.kind,
        _short(entry.link_target, entry.path).ljust(100, b"\0"),
        b"ustar\x0000",
        *(word.ljust(32, b"\0") for word in (owner_name, owner_name)),
        b"0000000\0" * 2,
        prefix.ljust(155, b"\0"),
    ]
    header = b"".join(fields).ljust(BLOCK_BYTES, b"\0")
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def _split_name(path: str) -> tuple[bytes, bytes]:
    if len(path.encode()) <= 100:
        return b"", path.encode()
    for position, letter in enumerate(path[:-1]):
        prefix, name = path[:position].encode(), path[position + 1 :].encode()
        if letter == "/" and len(prefix) <= 155 and len(name) <= 100:
            return prefix, name
    raise ImageError(f"the path {path} is too long for an image")


def _short(target: str, path: str) -> bytes:
    if len(target.encode()) > 100:
        raise ImageError(f"the link {path} points to a place with too long a name")
    return target.encode()


def copy_exactly(source: IO[bytes], target: IO[bytes], size_bytes: int) -> None:
    """Copy so many bytes from where `source` stands.

    Raises:
        EOFError: it ends before.
    """
    left = size_bytes
    while left:
        block = source.read(min(left, COPY_BYTES))
        if not block:
            raise EOFError(f"{left} of {size_bytes} bytes are missing")
        target.write(block)
        left -= len(block)
