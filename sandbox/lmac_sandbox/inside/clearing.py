"""Between two jobs of a box that serves again: remove all that the earlier one left, and prove it.

Processes are gone by then. What remains are the file systems that a job may write and the queues, segments
and semaphores of its IPC namespace; whatever cannot be shown to be as at the start ends the box.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from .places import SCRATCH, SHARED_MEMORY, SMALL_TMP

_WRITABLE = (SCRATCH, SMALL_TMP, SHARED_MEMORY)
_MESSAGE_QUEUES = "/dev/mqueue"
_SYSTEM_V = ("/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg")
_SCRATCH_MODE = 0o700


class Unclean(RuntimeError):
    """Something of an earlier job is left; the text says what."""


@dataclass(frozen=True, slots=True)
class Room:
    """Free blocks and files of each writable file system: both the same again means nothing is left."""

    free: tuple[tuple[int, int], ...]

    @classmethod
    def now(cls) -> Room:
        """As it is now."""
        return cls(tuple(_free(folder) for folder in _WRITABLE))


def clear_writable() -> None:
    """Empty every folder that a job may write, as the job's user.

    Raises:
        Unclean: something cannot be removed.
    """
    try:
        os.chmod(SCRATCH, _SCRATCH_MODE)
        for folder in (*_WRITABLE, *_present((_MESSAGE_QUEUES,))):
            for name in os.listdir(folder):
                _remove(os.path.join(folder, name))
    except (OSError, RecursionError) as error:
        raise Unclean(f"what an earlier job left cannot be removed: {error}") from error


def demand_clean(room: Room) -> None:
    """Whether all is as it was when `room` was taken.

    Raises:
        Unclean: it is not.
    """
    if Room.now() != room:
        raise Unclean("an earlier job left something in a file system")
    if os.listxattr(SCRATCH):
        raise Unclean(f"an earlier job left attributes on {SCRATCH}")
    for table in _present(_SYSTEM_V):
        with open(table, encoding="ascii") as lines:
            # The first line names the columns.
            if len(lines.readlines()) > 1:
                raise Unclean(f"an earlier job left an object in {table}")


def _free(folder: str) -> tuple[int, int]:
    status = os.statvfs(folder)
    return status.f_bfree, status.f_ffree


def _remove(path: str) -> None:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        _open_up(path)
        shutil.rmtree(path)


def _open_up(folder: str) -> None:
    """Give a tree's owner its folders back."""
    os.chmod(folder, stat.S_IRWXU)
    for parent, names, _ in os.walk(folder):
        for name in names:
            below = os.path.join(parent, name)
            # A link to a folder stands among the folders; its target is none of ours.
            if not os.path.islink(below):
                os.chmod(below, stat.S_IRWXU)


def _present(paths: tuple[str, ...]) -> Iterator[str]:
    return (path for path in paths if os.path.exists(path))
