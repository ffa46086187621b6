"""What a cache keeps of builds, all of which can be made again: archives, records of them, bytecode."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BUILD_FORMAT = "1"
"""Counts the changes of the build that give other bytes for the same inputs."""
KEPT_ARCHIVES = 2
_ARCHIVES = "images"
_BYTECODE = "bytecode"


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image archive, ready to be loaded."""

    image_id: str
    """"sha256:…" of its configuration; engines with a containerd store show another."""
    archive_path: Path
    layer_digests: tuple[str, ...]
    """Debian packages, Python packages, their bytecode, ours; each "sha256:…"."""
    size_bytes: int
    """Of the uncompressed layers."""


@contextmanager
def alone(cache_folder: Path) -> Iterator[None]:
    """Two builds in one cache would fetch everything twice and remove each other's stage image."""
    with (cache_folder / "build.lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        yield


def keep_archive(
    cache_folder: Path,
    name: str,
    recipe: str,
    image_id: str,
    archive: Path,
    layers: Sequence[tuple[str, int]],
) -> BuiltImage:
    """Move an archive into the cache and record it.

    Args:
        name: Of the definition.
        recipe: Digest of everything that decided its bytes.
        layers: Digest and size of each, lowest first.
    """
    folder = cache_folder / _ARCHIVES
    folder.mkdir(exist_ok=True)
    archive_path = folder / f"{name}-{image_id.removeprefix('sha256:')[:16]}.tar"
    _settle(archive, archive_path)
    digests = tuple(digest for digest, _ in layers)
    built = BuiltImage(image_id, archive_path, digests, sum(size_bytes for _, size_bytes in layers))
    content = {
        "image_id": built.image_id,
        "archive": archive_path.name,
        "layer_digests": built.layer_digests,
        "size_bytes": built.size_bytes,
    }
    partial = _record_path(cache_folder, recipe).with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    _settle(partial, _record_path(cache_folder, recipe))
    _drop_older(name, folder)
    return built


def _settle(partial: Path, path: Path) -> None:
    # A record that survives a power cut without its archive's bytes would stop every later load.
    with partial.open("rb") as stream:
        os.fsync(stream.fileno())
    partial.replace(path)


def _record_path(cache_folder: Path, recipe: str) -> Path:
    return cache_folder / _ARCHIVES / f"{recipe}.json"


def recorded_image(cache_folder: Path, recipe: str, layer_pins: Sequence[str | None]) -> BuiltImage | None:
    """The archive that this cache holds for a recipe.

    None when it has none (any more), or one of other layers than the lock pins.
    """
    try:
        content = json.loads(_record_path(cache_folder, recipe).read_text(encoding="utf-8"))
        archive_path = cache_folder / _ARCHIVES / content["archive"]
        built = BuiltImage(
            content["image_id"], archive_path, tuple(content["layer_digests"]), content["size_bytes"]
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # None, or one that a power cut left half written: it is built again.
        return None
    as_locked = all(
        pin is None or digest == f"sha256:{pin}"
        for pin, digest in zip(layer_pins, built.layer_digests, strict=False)
    )
    return built if as_locked and archive_path.is_file() else None


def _name_of(archive_path: Path) -> str:
    """Of the image in it; names have dashes of their own."""
    return archive_path.name.rpartition("-")[0]


def _drop_older(name: str, folder: Path) -> None:
    """Keep the newest archives of an image only; any can be built again from the packages."""
    own = (path for path in folder.glob(f"{name}-*.tar") if _name_of(path) == name)
    for archive in sorted(own, key=lambda path: path.stat().st_mtime)[:-KEPT_ARCHIVES]:
        archive.unlink(missing_ok=True)


def bytecode_path(cache_folder: Path, source_digests: Sequence[str | None]) -> Path:
    """Where the bytecode of these layers (hex digests) is kept."""
    inputs = "\n".join([BUILD_FORMAT, *(digest or "" for digest in source_digests)])
    return cache_folder / _BYTECODE / f"{hashlib.sha256(inputs.encode()).hexdigest()}.tar"


def prune_cache(
    cache_folder: Path,
    archives: Collection[Path],
    recipes: Collection[str],
    bytecode: Collection[Path],
    names: Collection[str] = (),
    dry_run: bool = False,
) -> int:
    """Remove what the cache keeps of other builds than these, and return how many bytes that frees.

    Packages stay, whichever lock names them: a mirror may have dropped them since.

    Args:
        names: Of definitions whose archives are looked at; everything when empty.
    """
    if not (cache_folder / _ARCHIVES).is_dir():
        return 0
    with alone(cache_folder):
        doomed = [
            path
            for path in (cache_folder / _ARCHIVES).glob("*.tar")
            if path not in archives and (not names or _name_of(path) in names)
        ]
        if not names:
            records = {_record_path(cache_folder, recipe) for recipe in recipes}
            doomed += [path for path in (cache_folder / _ARCHIVES).glob("*.json") if path not in records]
            doomed += [path for path in (cache_folder / _BYTECODE).glob("*.tar") if path not in bytecode]
        freed_bytes = sum(path.stat().st_size for path in doomed)
        for path in () if dry_run else doomed:
            path.unlink(missing_ok=True)
    return freed_bytes
