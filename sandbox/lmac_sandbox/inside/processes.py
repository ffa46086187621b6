"""Processes of a container, seen from its PID 1: reap whatever ends, and remove all that is left."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from types import FrameType

PURGE_SECONDS = 5.0
_PURGE_TICK_SECONDS = 0.0002
Status = int
"""As `waitpid` gives it."""


class NotPidOne(RuntimeError):
    """Killing everybody is allowed to PID 1 of a container alone."""


class Unkillable(RuntimeError):
    """Processes outlived the purge."""


def wake_on_children() -> int:
    """A descriptor that becomes readable whenever a child ends."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    # A handler must stand: the default action would let no wake-up byte be written.
    signal.signal(signal.SIGCHLD, _wake)
    return reader


def forget_children() -> None:
    """Undo `wake_on_children` in a forked child, which has children of its own."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def reap() -> dict[int, Status]:
    """Everything that has ended by now, orphans too; never waits."""
    ended: dict[int, Status] = {}
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = status
    return ended


def purge() -> dict[int, Status]:
    """Kill and reap every other process of the container; returns them.

    Raises:
        NotPidOne: this process is no container's PID 1, so `kill(-1)` would hit strangers.
        Unkillable: some were still there after `PURGE_SECONDS`.
    """
    if os.getpid() != 1:
        raise NotPidOne(f"process {os.getpid()} is not PID 1")
    ended: dict[int, Status] = {}
    deadline = time.monotonic() + PURGE_SECONDS
    while time.monotonic() < deadline:
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        ended |= reap()
        if not _has_children():
            return ended
        time.sleep(_PURGE_TICK_SECONDS)
    raise Unkillable(f"processes are left {PURGE_SECONDS:.0f} s after SIGKILL")


def _has_children() -> bool:
    """Orphans count: they become children of PID 1."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _wake(signal_number: int, frame: FrameType | None) -> None:
    """Only its wake-up byte matters."""
