"""Resolves what an image asks for into exact packages, and says what that changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lmac_sandbox.download_cache import disk_errors, keep_downloads, package_path, partial_folder
from lmac_sandbox.errors import ImageError
from lmac_sandbox.host_tools import Apt, pip_download, wheel_options
from lmac_sandbox.image_build import LAYER_TITLES, build_image
from lmac_sandbox.image_definition import (
    LOCK_FILE,
    Architecture,
    ImageDefinition,
    Lock,
    LockedPackage,
    PackageKind,
    read_definition,
    read_lock,
    write_lock,
)
from lmac_sandbox.npm_packages import resolve_npm
from lmac_sandbox.packages import Progress, no_progress

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine


@dataclass(frozen=True, slots=True)
class LockChange:
    """How a new lock differs from the one before; names as "deb libc6 2.36-9"."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    """As "deb libc6 2.36-9 -> 2.36-10"; the version repeats when only the digest differs."""
    layers: tuple[str, ...]
    """Titles of layers that the old lock pinned to other bytes."""
    lock_digest: str
    """Of the new one (hex)."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.layers)


def _resolve_debs(definition: ImageDefinition, apt: Apt) -> list[LockedPackage]:
    apt.refresh()
    versions = apt.closure(definition.debian_packages)
    wanted = sorted(versions.keys() - set(definition.debian_excluded))
    # The same version can stand in two sources, as the same file.
    facts_by_name = {
        facts["Package"]: facts for facts in apt.facts([(name, versions[name]) for name in wanted])
    }
    return [_locked_deb(facts_by_name[name]) for name in wanted]


def _locked_deb(facts: Mapping[str, str]) -> LockedPackage:
    return LockedPackage(
        kind=PackageKind.DEB,
        name=facts["Package"],
        version=facts["Version"],
        file=PurePosixPath(facts["Filename"]).name,
        size_bytes=int(facts["Size"]),
        sha256=facts["SHA256"],
    )


def _resolve_wheels(
    definition: ImageDefinition, architecture: str, cache_folder: Path
) -> list[LockedPackage]:
    if not definition.python_packages:
        return []
    with partial_folder(cache_folder) as folder:
        options = wheel_options(architecture, definition.python_version)
        pip_download(folder, [*options, *definition.python_packages])
        files = keep_downloads(folder, cache_folder)
    return [_locked_wheel(file, digest, package_path(cache_folder, digest)) for digest, file in files.items()]


def _locked_wheel(file: str, sha256: str, path: Path) -> LockedPackage:
    name, version, *_ = file.split("-")
    return LockedPackage(
        kind=PackageKind.WHEEL,
        name=name.replace("_", "-").lower(),
        version=version,
        file=file,
        size_bytes=path.stat().st_size,
        sha256=sha256,
    )


def _by_name(lock: Lock | None) -> Mapping[tuple[PackageKind, str], LockedPackage]:
    return {(package.kind, package.name): package for package in lock.packages} if lock else {}


def compare_locks(before: Lock | None, after: Lock) -> LockChange:
    """What was added, removed and changed; everything is added when there was no lock."""
    old, new = _by_name(before), _by_name(after)
    return LockChange(
        added=tuple(f"{key[0]} {new[key]}" for key in sorted(new.keys() - old.keys())),
        removed=tuple(f"{key[0]} {old[key]}" for key in sorted(old.keys() - new.keys())),
        changed=tuple(
            f"{key[0]} {old[key]} -> {new[key].version}"
            for key in sorted(old.keys() & new.keys())
            if (old[key].version, old[key].sha256) != (new[key].version, new[key].sha256)
        ),
        layers=_changed_layers(before, after) if before else (),
        lock_digest=after.digest(),
    )


def _changed_layers(before: Lock, after: Lock) -> tuple[str, ...]:
    pins = zip(LAYER_TITLES, before.layer_pins, after.layer_pins, strict=False)
    return tuple(title for title, old, new in pins if old not in (None, new))


def refresh_lock(
    definition_folder: Path,
    cache_folder: Path,
    engine: Engine | None = None,
    architecture: Architecture | None = None,
    progress: Progress = no_progress,
) -> LockChange:
    """Resolve the image's packages against the host's own mirrors and rewrite its lock.

    Args:
        engine: Compiles the packages, so that their bytecode is locked too; None leaves it open.
        architecture: "amd64" or "arm64"; None keeps that of the present lock, or amd64 without one.

    Raises:
        PackageUnavailable: a package that `image.yaml` names is not to be had.
        ImageError: `image.yaml` or the present lock cannot be read, or its folder is not to be written to.
        EngineFailure: the engine does not compile.
    """
    definition = read_definition(definition_folder)
    if not os.access(definition_folder, os.W_OK):
        raise ImageError(f"{definition_folder} cannot be written to", "lock in a checkout of your own")
    before = read_lock(definition_folder) if (definition_folder / LOCK_FILE).exists() else None
    target = architecture or (before.architecture if before else "amd64")
    with disk_errors(cache_folder):
        after = _resolve(definition, target, cache_folder, progress)
        if engine:
            after = _with_layers(definition_folder, cache_folder, engine, after, progress)
        elif before and before.digest() == after.digest():
            after = before
        # Last, and at once: whoever is stopped before this leaves the lock as it was.
        write_lock(definition_folder, after)
    return compare_locks(before, after)


def _resolve(
    definition: ImageDefinition, architecture: Architecture, cache_folder: Path, progress: Progress
) -> Lock:
    progress(0, 3, "Debian packages")
    debs = _resolve_debs(definition, Apt(cache_folder / "apt", architecture))
    progress(1, 3, "Python packages")
    wheels = _resolve_wheels(definition, architecture, cache_folder)
    progress(2, 3, "npm packages")
    with partial_folder(cache_folder) as folder:
        npm = resolve_npm(definition.npm_packages, folder, cache_folder)
    return Lock(architecture=architecture, packages=(*debs, *wheels, *npm))


def _with_layers(
    definition_folder: Path, cache_folder: Path, engine: Engine, lock: Lock, progress: Progress
) -> Lock:
    """The lock with the digests of its layers, found by building from it beside the definition."""
    with partial_folder(cache_folder) as folder:
        candidate = folder / definition_folder.name
        shutil.copytree(definition_folder, candidate, ignore=shutil.ignore_patterns(LOCK_FILE))
        write_lock(candidate, lock)
        built = build_image(candidate, cache_folder, engine, progress)
    debian, wheels, bytecode, _ = (digest.removeprefix("sha256:") for digest in built.layer_digests)
    return lock.model_copy(
        update={"debian_sha256": debian, "wheels_sha256": wheels, "bytecode_sha256": bytecode}
    )
