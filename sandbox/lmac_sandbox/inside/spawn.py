"""The child's side of a fork: from the runner's user down to the job's."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from .processes import forget_children

_PR_SET_DUMPABLE = 4
_FIRST_OTHER_DESCRIPTOR = 3
_HIGHEST_DESCRIPTOR = 4096


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits that the kernel holds against each process of a job."""

    file_bytes: int
    open_files: int


@dataclass(frozen=True, slots=True)
class Descriptors:
    """What a child gets."""

    stdin: int
    stdout: int
    stderr: int
    own: tuple[int, ...]
    """Stay open under their own numbers; closed by an exec."""


def set_dumpable(dumpable: bool) -> None:
    """Whether processes of the same user may look into this one.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, int(dumpable), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl refused PR_SET_DUMPABLE")


def fork_as(body: Callable[[], int], descriptors: Descriptors, caps: Caps, uid: int) -> int:
    """Fork; the child becomes that user, runs `body` and exits with what it returns.

    Returns:
        The child's process id.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _wire_up(descriptors)
        _become(uid, caps)
        code = body()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        # Never back into the runner's loop, and none of the runner's exit handlers.
        _leave(code)


def execute(argv: tuple[str, ...], folder: str, environment: Mapping[str, str], failure: int) -> int:
    """Become the program; only a failure returns, with its reason written to the descriptor `failure`."""
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        os.chdir(folder)
        os.execvpe(argv[0], argv, dict(environment))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        os.write(failure, f"{ascii(argv[0])[:500]}: {reason}".encode())
    return 127


def _wire_up(descriptors: Descriptors) -> None:
    forget_children()
    os.dup2(descriptors.stdin, 0)
    os.dup2(descriptors.stdout, 1)
    os.dup2(descriptors.stderr, 2)
    first = _FIRST_OTHER_DESCRIPTOR
    for own in sorted(descriptors.own):
        os.closerange(first, own)
        first = own + 1
    os.closerange(first, _HIGHEST_DESCRIPTOR)


def _become(uid: int, caps: Caps) -> None:
    os.setsid()
    os.umask(0o022)
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as adjustment:
        adjustment.write("1000")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, caps.file_bytes)
    _limit(resource.RLIMIT_NOFILE, caps.open_files)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    # Leaving uid 0 takes every capability with it.
    os.setresuid(uid, uid, uid)
    # The runner's own setting is inherited and would hide the job's /proc/self from itself.
    set_dumpable(True)


def _limit(which: int, value: int) -> None:
    resource.setrlimit(which, (value, value))


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # The job has closed or replaced it.
            continue
    os._exit(code & 0xFF)
