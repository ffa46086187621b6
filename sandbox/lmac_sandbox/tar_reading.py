"""Tar archives read without trust: header by header, each size held against the file, nothing unpacked."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from lmac_sandbox.errors import ImageMismatch
from lmac_sandbox.tar_format import BLOCK_BYTES, COPY_BYTES

MOST_MEMBERS = 200_000
EXTENSION_BYTES = 1 << 16
"""Of one header that says more of the next member; names that matter here are short enough without."""
_EXTENSIONS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_WITHOUT_CONTENT = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file."""

    offset: int
    size_bytes: int

    def sha256(self, stream: IO[bytes]) -> str:
        """Digest (hex) of what lies there."""
        digest = hashlib.sha256()
        stream.seek(self.offset)
        left = self.size_bytes
        while left and (block := stream.read(min(left, COPY_BYTES))):
            digest.update(block)
            left -= len(block)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class TarMember:
    """What a header says, and where its content lies."""

    path: str
    """As it is written, without a slash at either end."""
    kind: bytes
    """A type of `tarfile`: REGTYPE, DIRTYPE, SYMTYPE or LNKTYPE."""
    mode: int
    owner_uid: int
    owner_gid: int
    changed_at: int
    """Seconds of the epoch."""
    link_target: str
    content: Span


def tar_members(stream: IO[bytes], part: Span) -> Iterator[TarMember]:
    """The members of the tar that lies there; headers that only extend others are passed over.

    Raises:
        ImageMismatch: it is cut off, damaged, or holds more than `MOST_MEMBERS` or what no image holds.
    """
    place, end = part.offset, part.offset + part.size_bytes
    for _ in range(MOST_MEMBERS):
        stream.seek(place)
        block = stream.read(min(BLOCK_BYTES, end - place))
        if len(block) < BLOCK_BYTES:
            raise ImageMismatch("it is cut off: no end of the archive")
        if not any(block):
            return
        header = _header(block)
        place += BLOCK_BYTES
        size_bytes = 0 if header.type in _WITHOUT_CONTENT else header.size
        if not 0 <= size_bytes <= end - place:
            raise ImageMismatch(
                f"it is cut off: {header.name!r} has {size_bytes} bytes, {end - place} are left"
            )
        if header.type not in _EXTENSIONS:
            yield _member(header, Span(place, size_bytes))
        elif size_bytes > EXTENSION_BYTES:
            raise ImageMismatch(f"it holds a header of {size_bytes} bytes")
        place += size_bytes + -size_bytes % BLOCK_BYTES
    raise ImageMismatch(f"it holds more than {MOST_MEMBERS:,} members")


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ImageMismatch(f"no tar, or a damaged one: {error}") from error
    if header.type not in (*_FILES, *_WITHOUT_CONTENT, *_EXTENSIONS):
        raise ImageMismatch(f"it holds {header.name!r}, which is no folder, link or regular file")
    return header


def _member(header: tarfile.TarInfo, content: Span) -> TarMember:
    return TarMember(
        path=header.name.strip("/"),
        kind=tarfile.REGTYPE if header.type in _FILES else header.type,
        mode=header.mode,
        owner_uid=header.uid,
        owner_gid=header.gid,
        changed_at=int(header.mtime),
        link_target=header.linkname,
        content=content,
    )
