"""Who a container or volume belongs to: one process of one machine, told apart from any later one."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "lmac."
RUN = f"{PREFIX}run"
ROLE = f"{PREFIX}role"
PID = f"{PREFIX}pid"
STARTED = f"{PREFIX}started"
MACHINE = f"{PREFIX}machine"
HOST = f"{PREFIX}host"
PID_NAMESPACE = f"{PREFIX}pid-namespace"

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_STAT_STARTED = 19
"""Index of the start time in /proc/PID/stat, counted after the command in parentheses."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that owns containers and volumes.

    Raises:
        ValueError: the run id holds what no container name may hold.
    """

    run_id: str
    """Letters, digits, `_`, `.` and `-`, at most 100."""
    pid: int
    started: str
    """Boot id and the clock ticks since that boot, so that a pid that was given again is another owner."""
    machine_id: str
    """A digest of the machine's own id and its name."""
    host_name: str
    """The machine's, for people: no proof of anything."""
    pid_namespace: str
    """Pids of another namespace cannot be looked up here."""

    def __post_init__(self) -> None:
        if not _RUN_ID.fullmatch(self.run_id):
            raise ValueError(f"run id {self.run_id!r}: letters, digits, '_', '.' and '-' only, at most 100")

    @classmethod
    def current(cls, run_id: str) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(run_id, pid, _started(pid) or "", machine_id(), socket.gethostname(), _pid_namespace())

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> Owner | None:
        """The owner that the labels name; None when they are not ours or are damaged."""
        try:
            return cls(
                labels[RUN],
                int(labels[PID]),
                labels[STARTED],
                labels[MACHINE],
                labels.get(HOST, ""),
                labels[PID_NAMESPACE],
            )
        except (KeyError, ValueError):
            return None

    def labels(self, role: str) -> dict[str, str]:
        """Labels of a container or volume in this role: keeper, box, volume."""
        return {
            RUN: self.run_id,
            ROLE: role,
            PID: str(self.pid),
            STARTED: self.started,
            MACHINE: self.machine_id,
            HOST: self.host_name,
            PID_NAMESPACE: self.pid_namespace,
        }

    def is_in_sight(self) -> bool:
        """Whether it can be known here that it lives: its pid can be looked up, or its boot is over."""
        if self.machine_id != machine_id():
            return False
        # Nobody outlives a boot.
        return self.pid_namespace == _pid_namespace() or not self.started.startswith(_boot_id())

    def is_surely_dead(self) -> bool:
        """Whether that process is gone. False when it cannot be known from here."""
        return self.is_in_sight() and _started(self.pid) != self.started


def machine_id() -> str:
    """This machine's id and its name; hashed, since the raw id is not meant for others.

    The name too: copies of one virtual machine often share the id, and each would take the others for a
    boot of its own that is over.
    """
    try:
        own = Path("/etc/machine-id").read_text("ascii").strip()
    except OSError:
        own = ""
    return hashlib.sha256(f"lmac {own} {socket.gethostname()}".encode()).hexdigest()[:32]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _pid_namespace() -> str:
    return os.readlink("/proc/self/ns/pid")


def _started(pid: int) -> str | None:
    """None when there is no such process, or only what is left of one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{_boot_id()}:{fields[_STAT_STARTED]}"
