"""Debian packages and wheels, unpacked straight into a layer: nothing of them is run on the host."""

from __future__ import annotations

import io
import lzma
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lmac_sandbox.errors import ImageError
from lmac_sandbox.image_tree import LayerTree

PYTHON_PACKAGES = "usr/lib/python3/dist-packages"


def add_deb(tree: LayerTree, path: Path) -> None:
    """Take the files of a Debian package; its maintainer scripts are never run.

    Raises:
        ImageError: no Debian package, or one packed in a way that is not read here.
    """
    with path.open("rb") as stream, _data_member(stream, path) as data:
        tree.add_tar(data)


def add_wheel(tree: LayerTree, path: Path) -> None:
    """Take the files of a wheel as an installer would place them.

    Raises:
        ImageError: no wheel, or one with a part that has no place here.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    place, executable = wheel_place(name)
                    with archive.open(name) as content:
                        tree.add_file(place, content, executable)
    except zipfile.BadZipFile as error:
        raise ImageError(f"{path} is no wheel: {error}") from error


def wheel_place(name: str) -> tuple[str, bool]:
    """Where a wheel's member goes, and whether it is a program.

    Raises:
        ImageError: a data scheme other than scripts, purelib, platlib and data.
    """
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return f"{PYTHON_PACKAGES}/{name}", False
    scheme, _, inner = rest.partition("/")
    match scheme:
        case "scripts":
            return f"usr/bin/{inner}", True
        case "purelib" | "platlib":
            return f"{PYTHON_PACKAGES}/{inner}", False
        case "data":
            return f"usr/{inner}", False
        case _:
            raise ImageError(f"a wheel holds {name}: nothing is known of the scheme {scheme!r}")


def _ar_members(stream: IO[bytes], path: Path) -> Iterator[tuple[str, int]]:
    """Names and sizes of an `ar` archive, the stream standing at each one's content."""
    if stream.read(8) != b"!<arch>\n":
        raise ImageError(f"{path} is no Debian package")
    while len(header := stream.read(60)) == 60:
        size = int(header[48:58])
        start = stream.tell()
        yield header[:16].decode("ascii", "replace").rstrip(" /"), size
        stream.seek(start + size + size % 2)


def _data_member(stream: IO[bytes], path: Path) -> IO[bytes]:
    for name, size_bytes in _ar_members(stream, path):
        match name:
            case "data.tar.xz":
                return lzma.open(io.BytesIO(stream.read(size_bytes)))
            case "data.tar":
                return io.BytesIO(stream.read(size_bytes))
            case _ if name.startswith("data.tar"):
                raise ImageError(
                    f"{path} is packed as {name}; only xz is read here",
                    "lock against a Debian release whose packages are packed with xz, such as bookworm",
                )
    raise ImageError(f"{path} holds no data.tar")
