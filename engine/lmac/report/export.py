"""The store as plain files on the host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lmac.disk import full_disk_named
from lmac.file_store import FileStore
from lmac_sandbox import check_path


@dataclass(frozen=True, slots=True)
class Exported:
    """What was delivered."""

    files: int = 0
    lines: int = 0


def export_files(store: FileStore, folder: Path) -> Exported:
    """Write every file of the store under a new folder; none is executable, none replaces anything.

    Raises:
        FileExistsError: the folder exists.
        HostDiskFull: no room for a file; those before it are written.
    """
    files = lines = 0
    with full_disk_named(folder):
        folder.mkdir()
        for path, content in store.files():
            check_path(path)
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            files += 1
            lines += len(content.splitlines())
    return Exported(files, lines)
