"""Our profile of system calls: `seccomp.json`, in Docker's format, read once and given to engines as it is.

What is not in its list is refused with EPERM. Calls of other instruction sets (32 bit, x32) end the thread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PROFILE_FILE = "seccomp.json"
FAMILIES: Mapping[int, str] = {1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK"}
"""Socket families that the profile may name, by number."""

DENIED = (
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "io_submit"),
    *("userfaultfd", "vmsplice", "memfd_secret", "bpf", "perf_event_open", "keyctl", "add_key"),
    *("request_key", "unshare", "setns", "mount", "umount2", "pivot_root", "chroot"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree", "mount_setattr"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"),
    *("open_by_handle_at", "name_to_handle_at", "modify_ldt", "fanotify_init", "quotactl", "syslog"),
    *("clock_settime", "clock_adjtime", "settimeofday", "adjtimex", "kexec_load", "init_module"),
    *("finit_module", "delete_module", "iopl", "ioperm", "reboot", "swapon", "acct", "sethostname"),
)
"""The calls that one would ask about; everything else that the profile does not allow is refused as well."""


@dataclass(frozen=True, slots=True)
class SeccompSummary:
    """What the profile says, for people."""

    digest: str
    default_action: str
    architectures: tuple[str, ...]
    allowed: int
    """Calls that are allowed, some of them only with certain arguments."""
    conditional: tuple[str, ...]
    """Those of them whose arguments are looked at."""
    families: tuple[str, ...]
    """Of sockets that may be made."""
    denied: tuple[str, ...]
    """Of `DENIED`, those that the profile refuses: all of them, or a test fails."""


@cache
def seccomp_json() -> str:
    """The profile, canonical: the same text whatever the file's layout."""
    content = json.loads(profile_path().read_text("utf-8"))
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def profile_path() -> Path:
    """The profile's file on this machine, for an engine on the same one."""
    return Path(__file__).parent / PROFILE_FILE


def seccomp_option() -> str:
    """For `SecurityOpt`: Docker takes the profile itself, never a path of this host."""
    return f"seccomp={seccomp_json()}"


def seccomp_digest() -> str:
    """Hex sha256 of the canonical profile."""
    return hashlib.sha256(seccomp_json().encode()).hexdigest()


def seccomp_summary() -> SeccompSummary:
    """The profile in short."""
    profile: dict[str, Any] = json.loads(seccomp_json())
    rules = [rule for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW"]
    allowed = {name for rule in rules for name in rule["names"]}
    families = {rule["args"][0]["value"] for rule in rules if "socket" in rule["names"]}
    return SeccompSummary(
        digest=seccomp_digest(),
        default_action=profile["defaultAction"],
        architectures=tuple(item["architecture"] for item in profile["archMap"]),
        allowed=len(allowed),
        conditional=tuple(sorted({name for rule in rules if rule.get("args") for name in rule["names"]})),
        families=tuple(FAMILIES.get(family, str(family)) for family in sorted(families)),
        denied=tuple(name for name in DENIED if name not in allowed),
    )
