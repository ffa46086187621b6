"""Wheels that nobody has looked at, unpacked into one layer: sizes first, then names, then contents."""

from __future__ import annotations

import hashlib
import re
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lmac_sandbox.download_cache import file_sha256
from lmac_sandbox.errors import DependencyRefused, ImageError, PackageUnavailable
from lmac_sandbox.image_bytecode import OUTPUT_FOLDER
from lmac_sandbox.image_tree import LayerTree
from lmac_sandbox.inside.places import DEPENDENCIES

FORMAT = 2
"""Of a layer: another number where the same wheels would give other bytes."""
_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\x05\x06"
_WIDE_MARK = b"PK\x06\x07"
_WIDE_BYTES = 20
_LONGEST_COMMENT = 65535
_BYTES_PER_MEMBER = 1024
"""Of a wheel's own list: name, extra and comment of a member, well beyond what any honest one takes."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others give memory away: an LZMA member may ask for a dictionary of four gigabytes."""
_ENCRYPTED = 0x1
_LEFT_OUT_SCHEMES = ("scripts", "data", "headers")
"""Of a wheel's parts: what would lie beside the packages."""
_OF_THE_INTERPRETER = frozenset({"sitecustomize", "usercustomize"})
"""Modules that each interpreter imports by itself."""
_PATH_CHARACTERS = 200
_COMPILED = f"{OUTPUT_FOLDER.lstrip('/')}/"
_CACHE_FILE = re.compile(
    rf"{_COMPILED}{DEPENDENCIES.lstrip('/')}/(?P<folder>(?:[^/]+/)*)__pycache__/(?P<module>[^/.]+)\.[a-z0-9-]+\.pyc"
)


@dataclass(frozen=True, slots=True)
class LayerLimits:
    """Of all wheels of a layer together."""

    unpacked_bytes: int
    files: int = 20_000


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What a layer holds."""

    digest: str
    """Sha256 (hex) of its tar."""
    files: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True)
class _Member:
    wheel: str
    info: zipfile.ZipInfo
    place: str
    """Path below the folder of dependencies."""


Compiler = Callable[[Path, IO[bytes]], None]
"""Takes a layer of sources, and writes their bytecode as `compile_layer` does."""


def write_dependency_layer(
    wheels: Mapping[str, Path],
    standard_modules: frozenset[str],
    limits: LayerLimits,
    layer_path: Path,
    compiler: Compiler | None = None,
) -> LayerFacts:
    """Unpack wheels, given by their file names; the same wheels give the same bytes. No program, no script.

    Args:
        compiler: Without one each process that imports a package compiles it anew.

    Raises:
        DependencyRefused: a wheel is damaged, too large, or holds what has no place in a layer; the message
            names the wheel.
    """
    kept: dict[str, _Member] = {}
    files = unpacked_bytes = 0
    with tempfile.TemporaryFile(dir=layer_path.parent) as spool:
        tree = LayerTree(spool)
        tree.add_folder(DEPENDENCIES)
        for name, path in sorted(wheels.items()):
            with path.open("rb") as stream, _opened(stream, name, limits.files - files) as archive:
                members = _members(archive, name, standard_modules)
                files += len(members)
                unpacked_bytes += sum(member.info.file_size for member in members)
                if unpacked_bytes > limits.unpacked_bytes:
                    raise DependencyRefused(
                        f"{name}: with it the packages come to {unpacked_bytes:,} bytes; "
                        f"at most {limits.unpacked_bytes:,}",
                        "ask for less, or raise `dependencies.unpacked_bytes`",
                    )
                for member in members:
                    if not _is_twin(member, kept):
                        _unpack(archive, member, tree)
        for member in kept.values():
            if covered := next((place for place in _parents(member.place) if place in kept), None):
                raise DependencyRefused(f"{member.wheel}: {covered} is a file and a folder")
        try:
            tree.write(layer_path)
            if compiler is not None:
                with tempfile.TemporaryFile(dir=layer_path.parent) as compiled:
                    compiler(layer_path, compiled)
                    _add_bytecode(tree, compiled, kept.keys())
                tree.write(layer_path)
        except PackageUnavailable:
            raise
        except ImageError as error:
            raise DependencyRefused(error.message) from error
    return LayerFacts(file_sha256(layer_path), len(kept), unpacked_bytes)


def wheels_digest(digests: Sequence[str], standard_modules: frozenset[str]) -> str:
    """Sha256 (hex) of all that decides a layer's bytes, whatever the order."""
    words = [str(FORMAT), *sorted(digests), *sorted(standard_modules)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _opened(stream: IO[bytes], name: str, most_members: int) -> zipfile.ZipFile:
    """The archive, once it is known that reading its list of members takes little memory."""
    try:
        members, list_bytes = _told_members(stream)
        if members > most_members or list_bytes > members * _BYTES_PER_MEMBER:
            raise DependencyRefused(f"{name}: it has {members:,} members; at most {most_members:,} are left")
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DependencyRefused(f"{name} is no wheel: {error}") from error
    if len(archive.filelist) != members:
        archive.close()
        raise DependencyRefused(f"{name} is no wheel: it has {len(archive.filelist)} members, not {members}")
    return archive


def _told_members(stream: IO[bytes]) -> tuple[int, int]:
    """How many members an archive says that it has, and the bytes of their list.

    Raises:
        ValueError: it says nothing, or says it in the form for archives beyond every limit of ours.
    """
    size_bytes = stream.seek(0, 2)
    tail_bytes = min(size_bytes, _LONGEST_COMMENT + _END.size + _WIDE_BYTES)
    stream.seek(size_bytes - tail_bytes)
    tail = stream.read(tail_bytes)
    # As `zipfile` looks for it: an archive with two ends would be counted by one and read by the other.
    start = len(tail) - _END.size
    if start < 0:
        raise ValueError("too short")
    if tail[start : start + 4] != _END_MARK or tail[-2:] != b"\0\0":
        start = tail.rfind(_END_MARK)
    if start < 0 or start + _END.size > len(tail):
        raise ValueError("no list of members")
    if tail[max(start - _WIDE_BYTES, 0) : start].startswith(_WIDE_MARK):
        raise ValueError("too many members")
    _, _, _, _, members, list_bytes, _, _ = _END.unpack_from(tail, start)
    return members, list_bytes


def _members(archive: zipfile.ZipFile, wheel: str, standard_modules: frozenset[str]) -> list[_Member]:
    return [
        _Member(wheel, info, place)
        for info in archive.infolist()
        if not info.is_dir() and (place := _place(info, wheel, standard_modules)) is not None
    ]


def _place(info: zipfile.ZipInfo, wheel: str, standard_modules: frozenset[str]) -> str | None:
    """Path below the folder of dependencies; None for what is left out."""
    name = info.filename
    parts = name.split("/")
    if (
        len(name) > _PATH_CHARACTERS
        or not name.isprintable()
        or "\\" in name
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise DependencyRefused(f"{wheel} holds the path {name[:_PATH_CHARACTERS]!r}, which has no place")
    if info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED:
        raise DependencyRefused(f"{wheel}: {name!r} is packed in a way that is not read")
    if parts[0].endswith(".data"):
        scheme, parts = parts[1] if len(parts) > 2 else "", parts[2:]
        if scheme in _LEFT_OUT_SCHEMES:
            return None
        if scheme not in ("purelib", "platlib"):
            raise DependencyRefused(f"{wheel} holds {name!r}: nothing is known of the scheme {scheme!r}")
    if "__pycache__" in parts or (len(parts) == 1 and parts[0].endswith(".pth")):
        return None
    module = parts[0].partition(".")[0]
    if module in standard_modules or module in _OF_THE_INTERPRETER:
        raise DependencyRefused(f"{wheel} brings {parts[0]!r}, a name of Python's own")
    return "/".join(parts)


def _is_twin(member: _Member, kept: dict[str, _Member]) -> bool:
    """Whether the same file is there already, as where two packages share a folder; notes the new ones."""
    before = kept.setdefault(member.place, member)
    if before is member:
        return False
    if (before.info.CRC, before.info.file_size) != (member.info.CRC, member.info.file_size):
        raise DependencyRefused(f"{before.wheel} and {member.wheel} both bring {member.place}")
    return True


def _unpack(archive: zipfile.ZipFile, member: _Member, tree: LayerTree) -> None:
    executable = bool(member.info.external_attr >> 16 & 0o111)
    try:
        with archive.open(member.info) as content:
            tree.add_file(f"{DEPENDENCIES}/{member.place}", content, executable)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, ImageError) as error:
        raise DependencyRefused(f"{member.wheel}: {member.place} cannot be unpacked: {error}") from error


def _add_bytecode(tree: LayerTree, compiled: IO[bytes], places: Collection[str]) -> None:
    """Take the cache file of each module that is there, and nothing else: a compiler of anybody's sources
    gave it."""
    compiled.seek(0)
    try:
        with tarfile.open(fileobj=compiled, mode="r:") as members:
            for member in members:
                found = _CACHE_FILE.fullmatch(member.name)
                content = members.extractfile(member) if found and member.isreg() else None
                if content is not None and found and f"{found['folder']}{found['module']}.py" in places:
                    tree.add_file(member.name.removeprefix(_COMPILED), content)
    except tarfile.TarError as error:
        raise DependencyRefused(f"compiling the packages gave no archive: {error}") from error


def _parents(place: str) -> Iterator[str]:
    while place := place.rpartition("/")[0]:
        yield place
