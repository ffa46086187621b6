"""The files of one image layer, collected and then written as a tar that is the same on every host."""

from __future__ import annotations

import fnmatch
import io
import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from lmac_sandbox.errors import ImageError
from lmac_sandbox.tar_format import COPY_BYTES, END_OF_TAR, Entry, copy_exactly, tar_header

MERGED_FOLDERS = ("bin", "lib", "lib64", "sbin")
"""Old places, under which some packages still ship files; in the image they are links into /usr."""


class LayerTree:
    """A layer in the making; contents lie in a spool file, so that memory stays flat.

    Args:
        spool: An empty binary file, open for writing and reading.
        dropped: Shell patterns over paths.
    """

    def __init__(self, spool: IO[bytes], dropped: Sequence[str] = ()) -> None:
        self._spool = spool
        self._entries: dict[str, Entry] = {}
        self._dropped = re.compile("|".join(fnmatch.translate(pattern) for pattern in dropped) or r"(?!)")

    def add_folder(self, path: str, mode: int = 0o755, owner_uid: int = 0) -> None:
        """A folder; its group has its owner's number."""
        self._put(Entry(image_path(path), tarfile.DIRTYPE, mode, owner_uid=owner_uid))

    def add_merged_link(self, folder: str) -> None:
        """Link one of the old places into /usr."""
        self._entries[folder] = Entry(folder, tarfile.SYMTYPE, 0o777, f"usr/{folder}")

    def add_link(self, path: str, target: str) -> None:
        self._put(Entry(image_path(path), tarfile.SYMTYPE, 0o777, target))

    def add_file(self, path: str, content: IO[bytes], executable: bool = False) -> None:
        place = image_path(path)
        if self._dropped.match(place):
            return
        offset = self._spool.seek(0, io.SEEK_END)
        shutil.copyfileobj(content, self._spool, COPY_BYTES)
        size = self._spool.tell() - offset
        self._put(Entry(place, tarfile.REGTYPE, 0o755 if executable else 0o644, "", offset, size))

    def add_text(self, path: str, text: str) -> None:
        self.add_file(path, io.BytesIO(text.encode()))

    def _put(self, entry: Entry) -> None:
        if not entry.path or self._dropped.match(entry.path):
            return
        before = self._entries.get(entry.path)
        if before and not (before.kind == entry.kind == tarfile.DIRTYPE):
            raise ImageError(f"two packages bring the path {entry.path}")
        self._entries[entry.path] = entry

    def add_tar(self, stream: IO[bytes]) -> None:
        """Take the members of a tar, read once from front to back.

        Raises:
            ImageError: a member is no folder, link or regular file, or its path climbs.
        """
        with tarfile.open(fileobj=stream, mode="r|") as members:
            for member in members:
                self._add_member(member, members)

    def _add_member(self, member: tarfile.TarInfo, members: tarfile.TarFile) -> None:
        if member.isdir():
            self.add_folder(member.name)
        elif member.issym():
            self.add_link(member.name, member.linkname)
        elif member.islnk():
            self._copy_entry(member.linkname, member.name)
        elif member.isreg():
            content = members.extractfile(member)
            assert content is not None
            self.add_file(member.name, content, executable=bool(member.mode & 0o111))
        else:
            raise ImageError(f"a package holds {member.name!r}, which is no folder, link or regular file")

    def _copy_entry(self, source: str, path: str) -> None:
        first = self._entries.get(image_path(source))
        if first is None:
            raise ImageError(f"{path} is a hard link to {source}, which is not there")
        self._put(Entry(image_path(path), first.kind, first.mode, "", first.offset, first.size_bytes))

    def write(self, path: Path) -> None:
        """Write the layer: sorted, with every parent, owned by root unless said otherwise, times clamped,
        nothing setuid."""
        self._add_parents()
        with path.open("wb") as tar:
            for name in sorted(self._entries):
                entry = self._entries[name]
                tar.write(tar_header(entry))
                self._spool.seek(entry.offset)
                copy_exactly(self._spool, tar, entry.size_bytes)
                tar.write(entry.padding())
            tar.write(END_OF_TAR)

    def _add_parents(self) -> None:
        parents = {str(parent) for name in self._entries for parent in PurePosixPath(name).parents}
        for parent in parents - self._entries.keys() - {"."}:
            self._entries[parent] = Entry(parent, tarfile.DIRTYPE, 0o755)


def image_path(name: str) -> str:
    """A package's name for a path, as the merged image has it, without a leading slash.

    Raises:
        ImageError: the name climbs.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ImageError(f"a package holds the path {name!r}")
    if parts and parts[0] in MERGED_FOLDERS:
        parts.insert(0, "usr")
    return "/".join(parts)
