"""What a box, a job and a store may use. Values only; `policy` turns them into container options."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum

from lmac_sandbox.inside.frames import FRAME_BYTES
from lmac_sandbox.inside.paths import PATH_BYTES
from lmac_sandbox.inside.reading import READING_BYTES

MIB = 2**20

_FRAME_SHARE_BYTES = 8 * MIB
"""Largest value of a limit whose bytes travel in one frame, in base64 beside others."""
_ANSWER_OWN_BYTES = 2**16
"""What an answer carries beside streams, events and reading."""
_STREAMS = 3
"""stdout, stderr, and what the subject writes beside a judge."""
_BOX_OWN_BYTES = 112 * MIB
"""What a box needs beside its scratch: the runner, one tool, /tmp, /judge and shared memory."""
_ENTRY_BYTES = 3 * PATH_BYTES + 64 + 32
"""One file of a listing at its longest: JSON's escapes take at most three times a path's own bytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one box and of each job in it.

    Raises:
        ValueError: a limit is not a positive number, passes what a frame carries, alone or with others, or
            leaves no memory.
    """

    wall_seconds: float = 60.0
    """Of one job, from its fork on."""
    cpus: float = 1.0
    memory_bytes: int = 512 * MIB
    """Of the whole box, scratch and shared memory included; there is no swap."""
    pids: int = 64
    """Processes and threads of the whole box."""
    output_bytes: int = 4 * MIB
    """Of stdout and stderr together; a job that writes more is killed."""
    kept_bytes: int = 1 * MIB
    """Per stream; half of it for the head, half for the tail."""
    scratch_bytes: int = 128 * MIB
    scratch_inodes: int = 8192
    file_bytes: int = 64 * MIB
    """Of one file that a job writes."""
    open_files: int = 256
    """Per process."""
    events_bytes: int = 4 * MIB
    """What a test session may report; beyond it the session is killed."""

    def __post_init__(self) -> None:
        _require_positive(self)
        _require_at_most("kept_bytes", self.kept_bytes, _FRAME_SHARE_BYTES // 2)
        _require_at_most("events_bytes", self.events_bytes, _FRAME_SHARE_BYTES)
        if (answer_bytes := self._answer_bytes()) > FRAME_BYTES:
            raise ValueError(
                f"kept_bytes is {self.kept_bytes} and events_bytes is {self.events_bytes}; together with "
                f"what is read in the tests, one answer may take {answer_bytes} bytes of {FRAME_BYTES}"
            )
        # Else one job could fill the scratch and leave the next one, or the runner, without memory.
        if self.memory_bytes < self.scratch_bytes + _BOX_OWN_BYTES:
            raise ValueError(
                f"memory_bytes is {self.memory_bytes}; scratch counts as memory, so it must be at least "
                f"scratch_bytes + {_BOX_OWN_BYTES}"
            )

    def _answer_bytes(self) -> int:
        """The longest answer to one job."""
        streams = _STREAMS * -(-self.kept_bytes * 4 // 3)
        # A number may get longer when it is written again, by five of some sixty characters of its event.
        events = self.events_bytes + self.events_bytes // 8
        return streams + events + READING_BYTES + _ANSWER_OWN_BYTES


class StoreKind(StrEnum):
    """Where a store's volume lies."""

    MEMORY = "memory"
    """Capped by the engine too, fast, and empty once no container uses it."""
    DISK = "disk"
    """For stores larger than memory: capped by the keeper alone, and there until it is removed."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Of one store; the rules for its paths stand in `inside.paths`.

    Raises:
        ValueError: a limit is not a positive number, or passes what a frame carries.
    """

    kind: StoreKind = StoreKind.MEMORY
    store_bytes: int = 64 * MIB
    """All contents together."""
    store_files: int = 4096
    """Files; folders are capped at the same number."""
    file_bytes: int = 1 * MIB
    """One file."""

    def __post_init__(self) -> None:
        _require_positive(self)
        _require_at_most("file_bytes", self.file_bytes, _FRAME_SHARE_BYTES)
        _require_at_most("store_files", self.store_files, FRAME_BYTES // _ENTRY_BYTES)


def _require_positive(limits: Limits | StoreLimits) -> None:
    for field in fields(limits):
        value = getattr(limits, field.name)
        if isinstance(value, StoreKind):
            continue
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{field.name} is {value}; it must be a positive number")


def _require_at_most(name: str, value: int, most: int) -> None:
    if value > most:
        raise ValueError(f"{name} is {value}; at most {most} fit into one frame")
