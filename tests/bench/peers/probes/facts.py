"""Prints, as one line of JSON, what this process may do."""

import json
import os
from pathlib import Path

GIB = 2**30
# The engine writes "no limit" as a number near the largest one in the first version of control groups.
ENDLESS = 2**60


def status(field: str) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return line.split()[1]
    return "0"


def limit(*places: str) -> int | None:
    """The first of these files that is there; None without a limit."""
    for place in places:
        path = Path("/sys/fs/cgroup", place)
        if path.is_file():
            text = path.read_text().strip()
            return int(text) if text.isdigit() and int(text) < ENDLESS else None
    raise FileNotFoundError(f"none of {places}")


def writes(place: str, size_bytes: int) -> bool:
    """Whether a file of that size can be made there; it is gone afterwards."""
    try:
        with open(place, "wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, size_bytes)
    except OSError:
        return False
    finally:
        if os.path.exists(place):
            os.unlink(place)
    return True


print(
    json.dumps(
        {
            "uid": os.getuid(),
            "capabilities": bin(int(status("CapEff"), 16)).count("1"),
            "no_new_privileges": status("NoNewPrivs") == "1",
            "seccomp_mode": int(status("Seccomp")),
            "interfaces": sorted(os.listdir("/sys/class/net")),
            "root_writable": writes("/usr/probe", 1),
            "pids": limit("pids/pids.max", "pids.max"),
            "memory_bytes": limit("memory/memory.limit_in_bytes", "memory.max"),
            "writes_1_gib": writes("probe", GIB),
        }
    )
)
