"""The files that a run delivered, read from its folder without following anything out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lmac.errors import ConfigError
from lmac_sandbox import BadPath, check_path

FILES_NAME = "files"
MOST_BYTES = 2**30
"""Of all files together; a store holds less."""


def delivered_files(folder: Path) -> dict[str, bytes]:
    """Every file below `files/`, by its path, sorted; none when nothing was delivered.

    Raises:
        ConfigError: there is something that no run delivers, such as a link or a pipe, or too much of it.
    """
    root = folder / FILES_NAME
    if not root.is_symlink() and not root.exists():
        return {}
    if root.is_symlink() or not root.is_dir():
        raise _hostile(str(root), "it is no folder")
    found: dict[str, bytes] = {}
    left_bytes = MOST_BYTES
    for place, folders, names, opened in os.fwalk(root, follow_symlinks=False, onerror=_unreadable):
        inner = os.path.relpath(place, root)
        for name in folders:
            if stat.S_ISLNK(os.lstat(name, dir_fd=opened).st_mode):
                raise _hostile(_joined(inner, name), "it is a link")
        for name in names:
            path = _joined(inner, name)
            try:
                check_path(path)
            except BadPath as error:
                raise _hostile(path, str(error)) from error
            found[path] = _content(name, opened, path, left_bytes)
            left_bytes -= len(found[path])
    return dict(sorted(found.items()))


def _content(name: str, folder: int, path: str, most_bytes: int) -> bytes:
    try:
        # Opening a pipe must not wait for its other end.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        raise _hostile(path, error.strerror or "it cannot be read") from error
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise _hostile(path, "it is no file")
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise _hostile(path, f"with it there are more than {MOST_BYTES} bytes")
    return content


def _joined(inner: str, name: str) -> str:
    return name if inner == "." else f"{inner}/{name}"


def _unreadable(error: OSError) -> None:
    raise _hostile(str(error.filename), error.strerror or "it cannot be read") from error


def _hostile(path: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{path!r} among the delivered files: {reason}",
        "no run delivers that, so somebody changed the folder: without `files` in it its journal is taken",
    )
