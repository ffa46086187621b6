"""The store as plain files on the host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lmac.disk import full_disk_named, sync_folder
from lmac.file_store import FileStore
from lmac_sandbox import check_path


@dataclass(frozen=True, slots=True)
class Exported:
    """What was delivered."""

    files: int = 0
    lines: int = 0


def export_files(store: FileStore, folder: Path) -> Exported:
    """Write every file of the store under a new folder; none is executable, none replaces anything.

    When this returns, all of it survives a power cut: nobody delivers a finished run again.

    Raises:
        FileExistsError: the folder exists.
        HostDiskFull: no room for a file; those before it are written.
    """
    lines = 0
    places: list[Path] = []
    with full_disk_named(folder):
        folder.mkdir()
        for path, content in store.files():
            check_path(path)
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            places.append(place)
            lines += len(content.splitlines())
        _sync(folder, places)
    return Exported(len(places), lines)


def _sync(folder: Path, places: Sequence[Path]) -> None:
    # After all are written: the first ones then take most of the others along.
    for place in places:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    folders = {parent for place in places for parent in place.parents if parent.is_relative_to(folder)}
    for parent in sorted({folder, folder.parent, *folders}):
        sync_folder(parent)
