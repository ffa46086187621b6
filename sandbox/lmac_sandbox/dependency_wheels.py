"""Resolved and fetched by the host's pip: wheels only, so that nothing of a package is run here."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lmac_sandbox import pip_as_target
from lmac_sandbox.dependency_cache import note_use
from lmac_sandbox.download_cache import (
    disk_errors,
    drop_stale,
    holds,
    keep_downloads,
    package_path,
    partial_folder,
)
from lmac_sandbox.errors import DependencyRefused, ImageMismatch, PackageUnavailable
from lmac_sandbox.host_tools import ended_tool, require_pip
from lmac_sandbox.pip_settings import pip_environment, without_passwords
from lmac_sandbox.requirement_lines import Requirement, canonical_name

_OLDEST_MANYLINUX = 17
"""glibc 2.17, of the oldest wheels that are still made; older ones go by a name of their own."""
_REPORT_BYTES = 64 * 2**20
_WORDS = 400
_PIP_BYTES = 2**30
"""Of pip's memory: it reads a wheel's list of members, and what a package says of itself, as they come."""
# As pip words it when nobody answered; what an index says of a package is worded otherwise.
_UNREACHED = re.compile(
    r"Retrying \(Retry|NewConnectionError|ConnectTimeout|ReadTimeout|NameResolutionError|ProxyError|SSLError"
    r"|Connection (?:broken|reset|refused|aborted)|HTTP error (?:5\d\d|429)|No space left"
)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_CHANGED = "DO NOT MATCH THE HASHES"
_ABSENT = "No matching distribution"
_NO_MEMORY = "MemoryError"
_TOO_LARGE = "File too large"


@dataclass(frozen=True, slots=True)
class Target:
    """The interpreter that will import what is fetched, as the image itself tells it."""

    python_version: str
    """As in "3.11.2"."""
    machine: str
    """In the kernel's words."""
    glibc_minor: int
    """Of glibc 2."""
    provided: Mapping[str, str]
    """Version by canonical name of what the image brings itself; nothing else of that name is taken."""
    standard_modules: frozenset[str]
    """Names of the standard library, which no package may take."""

    @property
    def minor_version(self) -> str:
        """As in "3.11"."""
        return ".".join(self.python_version.split(".")[:2])

    def options(self) -> list[str]:
        """Pip's, for wheels that this interpreter can import."""
        newest_first = range(self.glibc_minor, _OLDEST_MANYLINUX - 1, -1)
        tags = [*(f"manylinux_2_{minor}" for minor in newest_first), "manylinux2014"]
        platforms = (f"--platform={tag}_{self.machine}" for tag in tags)
        return [*platforms, f"--python-version={self.minor_version}", "--implementation=cp"]

    def markers(self) -> dict[str, str]:
        """What conditions of packages are answered by."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.python_version,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": self.python_version,
            "python_version": self.minor_version,
            "sys_platform": "linux",
        }


@dataclass(frozen=True, slots=True)
class PinnedWheel:
    """One wheel, known by its digest.

    Raises:
        ValueError: a part is not what it should be; it would go on a command line or into a path.
    """

    name: str
    version: str
    file: str
    sha256: str

    def __post_init__(self) -> None:
        for value, pattern in (
            (self.name, r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
            (self.version, r"[0-9][A-Za-z0-9.!+_-]{0,99}"),
            (self.file, r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,249}\.whl"),
            (self.sha256, r"[0-9a-f]{64}"),
        ):
            if not re.fullmatch(pattern, value):
                raise ValueError(f"no pin of a wheel: {value[:80]!r}")

    @property
    def key(self) -> str:
        """The name as an index compares it."""
        return canonical_name(self.name)


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Where wheels come from, and how much of them.

    Args:
        index_url: Of a package index; None for those of the user's own configuration of pip.
        cache_folder: Kept between runs.
        most_packages: That one file may lead to, with all that they need.
        file_bytes: Of one wheel.
        seconds: Of one call of pip.
    """

    index_url: str | None
    cache_folder: Path
    most_packages: int
    file_bytes: int
    seconds: float

    def resolve(
        self, requirements: Sequence[Requirement], allowed: Iterable[Requirement], target: Target
    ) -> tuple[PinnedWheel, ...]:
        """Decide on versions of the packages and of all that they need, sorted by name.

        Args:
            allowed: Versions to keep to, of whatever comes along too.

        Raises:
            DependencyRefused: they are not to be had as wheels for the target, or contradict each other.
            PackageUnavailable: no index answers.
        """
        kept_to = [*(f"{name}=={version}" for name, version in target.provided.items()), *map(str, allowed)]
        with disk_errors(self.cache_folder), partial_folder(self.cache_folder) as folder:
            wanted = _written(folder / "wanted.txt", map(str, requirements))
            constraints = _written(folder / "constraints.txt", kept_to)
            report = folder / "report.json"
            there = _stand_ins(folder / "there", target.provided)
            self._pip(
                folder,
                target,
                *("install", "--dry-run", "--ignore-installed", f"--target={folder / 'nowhere'}"),
                *(f"--report={report}", f"--constraint={constraints}", f"--find-links={there}"),
                f"--requirement={wanted}",
            )
            pins = [pin for pin in _pins(report) if pin.key not in target.provided]
        if len(pins) > self.most_packages:
            raise DependencyRefused(
                f"this comes to {len(pins)} packages with all that they need; at most {self.most_packages}",
                "ask for less, or raise `dependencies.most_packages`",
            )
        return tuple(sorted(pins, key=lambda pin: pin.key))

    def fetch(self, pins: Sequence[PinnedWheel], target: Target) -> tuple[Path, ...]:
        """Bring those that the cache lacks, and return the paths of all.

        Raises:
            ImageMismatch: a file came with another digest; it is not used.
            DependencyRefused: a wheel is larger than it may be.
            PackageUnavailable: an index lacks one of them, or does not answer.
        """
        with disk_errors(self.cache_folder):
            drop_stale(self.cache_folder)
            missing = [pin for pin in pins if not holds(self.cache_folder, pin.sha256)]
            if missing:
                self._download(missing, target)
            if changed := next((pin for pin in missing if not holds(self.cache_folder, pin.sha256)), None):
                raise ImageMismatch(f"wheel {changed.file}: what came has not the sha256 {changed.sha256}")
            paths = tuple(package_path(self.cache_folder, pin.sha256) for pin in pins)
            note_use(paths)
        return paths

    def _download(self, pins: Sequence[PinnedWheel], target: Target) -> None:
        lines = (f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}" for pin in pins)
        with partial_folder(self.cache_folder) as folder:
            pinned = _written(folder / "pinned.txt", lines)
            into = folder / "wheels"
            into.mkdir()
            try:
                self._pip(
                    folder,
                    target,
                    *("download", "--no-deps", "--require-hashes", f"--dest={into}"),
                    f"--requirement={pinned}",
                )
            except DependencyRefused as error:
                if _ABSENT not in error.message:
                    raise
                # It was there when it was pinned.
                raise PackageUnavailable(error.message, error.next_step) from error
            keep_downloads(into, self.cache_folder)

    def _pip(self, folder: Path, target: Target, command: str, *arguments: str) -> None:
        require_pip()
        told = json.dumps(
            {"file_bytes": self.file_bytes, "memory_bytes": _PIP_BYTES, "markers": target.markers()}
        )
        environment = pip_environment(self.index_url, folder) | {pip_as_target.VARIABLE: told}
        # Safe path: modules of the program's own folder are none of pip's.
        pip = [sys.executable, "-P", pip_as_target.__file__, "--no-input", "--disable-pip-version-check"]
        options = ["--quiet", "--no-cache-dir", "--only-binary=:all:", *target.options()]
        done = ended_tool([*pip, command, *options, *arguments], folder, environment, self.seconds)
        if done.returncode == 0:
            return
        said = without_passwords(done.stderr)
        words = _last_words(said, folder)
        if _CHANGED in said:
            raise ImageMismatch(f"a wheel came with another digest than its pin: {words}")
        if _TOO_LARGE in said:
            raise DependencyRefused(f"{_TOO_LARGE}: a wheel may have {self.file_bytes:,} bytes")
        if _NO_MEMORY in said:
            raise DependencyRefused("what the index tells, or a wheel, takes more memory than pip may have")
        if _UNREACHED.search(said):
            raise PackageUnavailable(
                f"packages cannot be fetched now: {words}", "look at network, proxy, index and disk"
            )
        raise DependencyRefused(words)


def _written(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return path


def _stand_ins(folder: Path, provided: Mapping[str, str]) -> Path:
    """A folder with a wheel of nothing for each package that the image brings: an index may lack it."""
    folder.mkdir()
    for name, version in provided.items():
        stem = f"{name.replace('-', '_')}-{version}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            wheel.writestr(f"{stem}.dist-info/METADATA", head)
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return folder


def _last_words(said: str, folder: Path) -> str:
    """What pip gives as its errors, in one line, without folders of ours."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("WARNING")]
    errors = [line.removeprefix("ERROR: ") for line in lines] or ["pip failed and said nothing"]
    return _UNPRINTABLE.sub("?", " | ".join(errors).replace(str(folder), ""))[-_WORDS:]


def _pins(report: Path) -> list[PinnedWheel]:
    """What pip would install, as its report says; the names in it come from an index.

    Raises:
        DependencyRefused: the index tells of something that is no wheel.
    """
    try:
        if report.stat().st_size > _REPORT_BYTES:
            raise DependencyRefused(f"what the index tells passes {_REPORT_BYTES:,} bytes")
        found = json.loads(report.read_bytes())["install"]
        return [_pin(item) for item in found]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DependencyRefused(f"what the index tells is not understood: {error}"[:_WORDS]) from error


def _pin(item: Any) -> PinnedWheel:
    metadata, told = item["metadata"], item["download_info"]
    file = unquote(str(told["url"]).partition("#")[0].rpartition("/")[2])
    return PinnedWheel(
        str(metadata["name"]), str(metadata["version"]), file, str(told["archive_info"]["hashes"]["sha256"])
    )
