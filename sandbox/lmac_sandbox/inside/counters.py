"""What the kernel counted against this container, and how full its scratch is."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from .places import SCRATCH, SMALL_TMP

# The first file of each pair is control groups version 2, the second version 1.
_MEMORY_FILES = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_PROCESS_FILES = ("/sys/fs/cgroup/pids.events", "/sys/fs/cgroup/pids/pids.events")
_LITTLE_BYTES = 64 * 2**10
UNCOUNTED = "uncounted"
"""Argument of the runner where the kernel counts nothing for a container, as gVisor's does not: there, what
passes a cap of the whole box ends the box."""


class NoCounters(RuntimeError):
    """The kernel's counters are not where either version of control groups keeps them."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since the container started."""

    oom_kills: int
    processes_denied: int

    def since(self, before: Counters) -> Counters:
        """What was added after `before`."""
        return Counters(self.oom_kills - before.oom_kills, self.processes_denied - before.processes_denied)


def read_counters() -> Counters:
    """The counters now.

    Raises:
        NoCounters: without them an ending could not be told; the runner must not start then.
    """
    if UNCOUNTED in sys.argv[1:]:
        return Counters(0, 0)
    return Counters(_value(_MEMORY_FILES, "oom_kill"), _value(_PROCESS_FILES, "max"))


def is_scratch_full() -> bool:
    """Whether one of the file systems that a job may write has hardly any bytes or no file left."""
    return any(_is_full(folder) for folder in (SCRATCH, SMALL_TMP))


def _is_full(folder: str) -> bool:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize < _LITTLE_BYTES or status.f_favail == 0


def _value(files: tuple[str, ...], key: str) -> int:
    for file in files:
        try:
            with open(file, encoding="ascii") as lines:
                fields = dict(line.split(maxsplit=1) for line in lines if " " in line)
        except FileNotFoundError:
            continue
        if key in fields:
            return int(fields[key])
    raise NoCounters(f"none of {', '.join(files)} counts {key}")
