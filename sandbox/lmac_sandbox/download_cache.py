"""Downloads kept by their digest: a file stands under its final name whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lmac_sandbox.errors import ImageError

STALE_SECONDS = 86_400.0


def package_path(cache_folder: Path, sha256: str) -> Path:
    """Where the package with this digest lies once fetched."""
    return cache_folder / "packages" / sha256


def file_sha256(path: Path) -> str:
    """Sha256 (hex) of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def holds(cache_folder: Path, sha256: str) -> bool:
    """Whether the cache has these bytes, undamaged."""
    path = package_path(cache_folder, sha256)
    return path.is_file() and file_sha256(path) == sha256


@contextmanager
def partial_folder(cache_folder: Path) -> Iterator[Path]:
    """A temporary folder on the cache's own file system, so that keeping a file is a rename."""
    with tempfile.TemporaryDirectory(dir=cache_folder, prefix="partial-") as name:
        yield Path(name)


def keep_downloads(folder: Path, cache_folder: Path) -> dict[str, str]:
    """Move every file of `folder` into the cache and return file names by digest."""
    kept: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        digest = file_sha256(path)
        target = package_path(cache_folder, digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        kept[digest] = path.name
    return kept


def drop_stale(cache_folder: Path) -> None:
    """Remove what downloads and builds that were killed left behind."""
    for folder in cache_folder.glob("partial-*"):
        if time.time() - folder.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def disk_errors(cache_folder: Path) -> Iterator[None]:
    """Make the cache folder, and say plainly when the disk refuses: full, read-only, no permission.

    Raises:
        ImageError: in place of any OSError.
    """
    try:
        cache_folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        message = f"{error.filename or cache_folder} cannot be used: {error.strerror or error}"
        raise ImageError(message, "make room there, or name another cache folder") from error
