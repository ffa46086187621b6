"""Locked packages, brought by the host's own clients and verified by digest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from lmac_sandbox.download_cache import (
    disk_errors,
    drop_stale,
    file_sha256,
    holds,
    keep_downloads,
    package_path,
    partial_folder,
)
from lmac_sandbox.errors import ImageMismatch, PackageUnavailable
from lmac_sandbox.host_tools import Apt, pip_download, wheel_options
from lmac_sandbox.image_definition import Lock, LockedPackage, PackageKind
from lmac_sandbox.npm_packages import download_npm

Progress = Callable[[int, int, str], None]
"""Called with what is done, the total, and the name of what comes or came."""

PACKAGES_A_CALL = 6
SUPERSEDED = (
    "mirrors drop superseded versions: load a kept archive with `lmac images load FILE`, lock the current "
    "ones with `lmac images lock NAME`, or have apt and pip ask a mirror that still has them"
)
REPLACED = "it was not used; look why it differs, then lock again with `lmac images lock`"


def no_progress(done: int, total: int, name: str) -> None:
    """A `Progress` that tells nobody."""


def fetch(
    lock: Lock, python_version: str, cache_folder: Path, progress: Progress = no_progress
) -> tuple[Path, ...]:
    """Bring every locked package that the cache lacks, and return all paths in the lock's order.

    Args:
        python_version: Minor version that the wheels serve, "3.11".
        cache_folder: Kept between runs; a damaged file in it is fetched again.

    Raises:
        PackageUnavailable: the mirror lacks a locked version, or a client of the host fails.
        ImageMismatch: a file came with another digest; it is not used.
        ImageError: the disk refuses.
    """
    with disk_errors(cache_folder):
        drop_stale(cache_folder)
        missing = [package for package in lock.packages if not holds(cache_folder, package.sha256)]
        if any(package.kind is PackageKind.DEB for package in missing):
            progress(0, len(missing), "package lists")
            Apt(cache_folder / "apt", lock.architecture).refresh()
        done = 0
        for batch in _batches(missing):
            progress(done, len(missing), batch[0].name)
            _bring(batch, lock, python_version, cache_folder)
            done += len(batch)
            progress(done, len(missing), batch[-1].name)
    return tuple(package_path(cache_folder, package.sha256) for package in lock.packages)


def _batches(packages: Iterable[LockedPackage]) -> Iterator[list[LockedPackage]]:
    rest = iter(packages)
    while batch := list(islice(rest, PACKAGES_A_CALL)):
        yield batch


def _bring(batch: Sequence[LockedPackage], lock: Lock, python_version: str, cache_folder: Path) -> None:
    try:
        _download(batch, lock, python_version, cache_folder)
    except PackageUnavailable:
        # Once more one at a time, to name the one that is not to be had.
        for package in batch:
            _download_one(package, lock, python_version, cache_folder)
    for package in batch:
        if not holds(cache_folder, package.sha256):
            message = f"{package.kind} {package}: what came has not the locked sha256 {package.sha256}"
            raise ImageMismatch(message, REPLACED)


def _download_one(package: LockedPackage, lock: Lock, python_version: str, cache_folder: Path) -> None:
    try:
        _download([package], lock, python_version, cache_folder)
    except PackageUnavailable as error:
        message = f"{package.kind} {package} cannot be fetched: {error.message}"
        raise PackageUnavailable(message, error.next_step or SUPERSEDED) from error


def _download(packages: Sequence[LockedPackage], lock: Lock, python_version: str, cache_folder: Path) -> None:
    debs = [(package.name, package.version) for package in packages if package.kind is PackageKind.DEB]
    wheels = [package for package in packages if package.kind is PackageKind.WHEEL]
    with partial_folder(cache_folder) as folder:
        if debs:
            Apt(cache_folder / "apt", lock.architecture).download(debs, folder)
        if wheels:
            _download_pinned(wheels, wheel_options(lock.architecture, python_version), folder)
        download_npm([package for package in packages if package.kind is PackageKind.NPM], folder)
        keep_downloads(folder, cache_folder)


def _download_pinned(wheels: Sequence[LockedPackage], options: Sequence[str], folder: Path) -> None:
    requirements = folder / "requirements.txt"
    lines = (f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)
    requirements.write_text("".join(lines), encoding="ascii")
    pip_download(folder, ["--no-deps", "--require-hashes", *options, "-r", str(requirements)])
    requirements.unlink()


def fetch_wheel(name: str, version: str, sha256: str | None, cache_folder: Path) -> Path:
    """Bring one wheel without its dependencies and without running anything of it, and return its path.

    Args:
        sha256: None takes whatever the index gives, and keeps to it as long as the cache lasts.

    Raises:
        PackageUnavailable: the index lacks it.
        ImageMismatch: it came with another digest.
        ImageError: the disk refuses.
    """
    with disk_errors(cache_folder):
        # A wheel without a known digest is found again by a note of the digest that it had.
        note = cache_folder / "unpinned" / re.sub(r"[^A-Za-z0-9.]+", "_", f"{name}-{version}")
        known = sha256 or (note.read_text(encoding="ascii") if note.exists() else None)
        if known and holds(cache_folder, known):
            return package_path(cache_folder, known)
        digest = _download_any(name, version, known, cache_folder)
        note.parent.mkdir(exist_ok=True)
        partial = note.with_name(f"{note.name}.partial")
        partial.write_text(digest, encoding="ascii")
        partial.replace(note)
        return package_path(cache_folder, digest)


def _download_any(name: str, version: str, known: str | None, cache_folder: Path) -> str:
    with partial_folder(cache_folder) as folder:
        pip_download(folder, ["--no-deps", "--", f"{name}=={version}"])
        digests = {file_sha256(path) for path in folder.iterdir()}
        if len(digests) != 1 or (known and known not in digests):
            came = ", ".join(sorted(digests)) or "nothing"
            raise ImageMismatch(f"wheel {name} {version}: {came} came, not sha256 {known}")
        keep_downloads(folder, cache_folder)
    return digests.pop()
