"""Known holes of engines and their parts, as a table, and which of them an engine may have.

Left out are holes in what we do not use: building images by the engine, registries, Kubernetes.
Sources: the advisories of runc, containerd and Docker Engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmac_sandbox.engine import EngineFacts

Version = tuple[int, int, int, int]
"""Major, minor, patch; last the number of a release candidate, or `_RELEASED`."""

_RELEASED = 1000


@dataclass(frozen=True, slots=True)
class KnownHole:
    """One advisory, or several that the same versions fix."""

    part: str
    """runc, containerd or engine."""
    ids: tuple[str, ...]
    what: str
    fixed: tuple[str, ...]
    """First fixed version of each release line, ascending; lines between and before are affected."""
    since: str = "0.0.0"
    """First affected version."""


@dataclass(frozen=True, slots=True)
class OpenHole:
    """A hole that a version number does not rule out."""

    hole: KnownHole
    version: str

    @property
    def said(self) -> str:
        """For people. Distributions repair old versions without a new number."""
        return (
            f"{self.hole.part} {self.version} may have {', '.join(self.hole.ids)}: {self.hole.what}; "
            "distributions backport fixes, so look at your package's changelog"
        )

    @property
    def fix(self) -> str:
        """What to do."""
        return (
            f"update {self.hole.part} to {' or '.join(self.hole.fixed)}, or to a package that names the fix"
        )


HOLES = (
    KnownHole(
        "runc",
        ("CVE-2019-5736",),
        "a container overwrites the runc binary of the host",
        fixed=("1.0.0-rc.7",),
    ),
    KnownHole(
        "runc",
        ("CVE-2021-30465",),
        "a link swapped while volumes are mounted leads out of the container",
        fixed=("1.0.0-rc.95",),
    ),
    KnownHole(
        "runc",
        ("CVE-2023-27561", "CVE-2023-28642"),
        "a link at /proc or /sys turns masked paths and labels off",
        fixed=("1.1.5",),
        since="1.0.0-rc.95",
    ),
    KnownHole(
        "runc",
        ("CVE-2024-21626",),
        "a leaked descriptor gives a container the host's files",
        fixed=("1.1.12",),
        since="1.0.0-rc.93",
    ),
    KnownHole(
        "runc",
        ("CVE-2024-45310",),
        "empty files and folders can be made on the host with volumes shared between containers",
        fixed=("1.1.14", "1.2.0-rc.3"),
    ),
    KnownHole(
        "runc",
        ("CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"),
        "masked paths, /dev/console and writes to /proc can be redirected while a container starts",
        fixed=("1.2.8", "1.3.3", "1.4.0-rc.3"),
    ),
    KnownHole(
        "containerd",
        ("CVE-2020-15257",),
        "the shim's socket is open to containers in the host's network",
        fixed=("1.3.9", "1.4.3"),
    ),
    KnownHole(
        "containerd",
        ("CVE-2024-25621",),
        "local users of the host can enter its folders",
        fixed=("1.7.29", "2.0.7", "2.1.5", "2.2.0"),
    ),
    KnownHole(
        "engine",
        ("CVE-2021-41091",),
        "local users of the host can run setuid files of containers",
        fixed=("20.10.9",),
    ),
    KnownHole(
        "engine",
        ("CVE-2024-41110",),
        "where authorization plugins guard the engine, a request can pass them by",
        fixed=("23.0.15", "26.1.5", "27.1.1"),
        since="19.3.0",
    ),
)


def open_holes(facts: EngineFacts) -> tuple[OpenHole, ...]:
    """The holes of the table that this engine's version numbers do not rule out."""
    versions = {
        "runc": facts.runc_version,
        "containerd": facts.containerd_version,
        "engine": facts.server_version if facts.kind == "docker" else "",
    }
    return tuple(
        OpenHole(hole, versions[hole.part]) for hole in HOLES if is_affected(hole, versions[hole.part])
    )


def is_affected(hole: KnownHole, version: str) -> bool:
    """Whether a version lies in the hole's range; False for what is no version number."""
    found = parsed(version)
    if found is None or found < _required(hole.since):
        return False
    fixes = [_required(fixed) for fixed in hole.fixed]
    same_line = [fixed for fixed in fixes if fixed[:2] == found[:2]]
    return found < (same_line[0] if same_line else fixes[-1])


def parsed(version: str) -> Version | None:
    """The number in "1.1.5+ds1-1+deb12u1", "v1.7.2" or "1.0.0-rc95"; None when there is none."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-~]rc\.?(\d+))?", version)
    if match is None:
        return None
    major, minor, patch, candidate = match.groups()
    return int(major), int(minor), int(patch or 0), int(candidate) if candidate else _RELEASED


def _required(version: str) -> Version:
    found = parsed(version)
    assert found is not None, version
    return found
