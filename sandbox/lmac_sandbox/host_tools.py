"""The host's package clients, apt and pip, run as its user configured them but with state of their own."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lmac_sandbox.errors import PackageUnavailable

COMMAND_SECONDS = 1800.0
LAST_LINES = 3
LINE_LETTERS = 200
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# The older tags that a wheel may carry and a current Debian can run.
MANYLINUX_TAGS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34")
# Debian's own packages first: another vendor's source may carry a newer one of the same name.
_PREFERENCES = "Package: *\nPin: release o=Debian\nPin-Priority: 990\n"
_INSTALL_LINE = re.compile(r"^Inst (?P<name>\S+) \((?P<version>\S+) ")


def run_tool(arguments: Sequence[str], folder: Path) -> str:
    """Run a client in `folder` with the user's environment and return what it printed.

    Raises:
        PackageUnavailable: the client is absent, hangs or fails; the message ends with its own last words.
    """
    # A fixed language, because the output is parsed; index, proxy and certificates are the user's.
    done = ended_tool(arguments, folder, {**os.environ, "LC_ALL": "C.UTF-8"}, COMMAND_SECONDS)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        words = " | ".join(line[:LINE_LETTERS] for line in lines[-LAST_LINES:])
        raise PackageUnavailable(f"{Path(arguments[0]).name} failed ({done.returncode}): {words}")
    return done.stdout


def ended_tool(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a client in `folder` to its end, whatever that is.

    Raises:
        PackageUnavailable: the client is absent or hangs.
    """
    try:
        return subprocess.run(
            list(arguments),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise PackageUnavailable(
            f"this host has no {arguments[0]}", "load a kept archive with `lmac images load`"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PackageUnavailable(f"{arguments[0]} did not end within {seconds:.0f} s") from error


class Apt:
    """Apt with lists, cache and an (empty) set of installed packages of its own: needs no root.

    Args:
        folder: Absolute; made when absent and kept between runs.
        architecture: In Debian's words.
    """

    def __init__(self, folder: Path, architecture: str) -> None:
        self._folder = folder
        self._architecture = architecture

    def _options(self) -> list[str]:
        settings = {
            "Dir::State": self._folder,
            "Dir::State::lists": self._folder / "lists",
            "Dir::State::status": self._folder / "status",
            "Dir::State::extended_states": self._folder / "extended_states",
            "Dir::Cache": self._folder / "cache",
            "Dir::Etc::preferences": self._folder / "preferences",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": self._architecture,
            "APT::Architectures": self._architecture,
            "APT::Install-Recommends": "false",
            # The user who runs this: apt's own user could not write into a private folder.
            "APT::Sandbox::User": "root",
            # Closures start from nothing: an essential package is in only when something needs it.
            "pkgCacheGen::Essential": "none",
        }
        return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]

    def refresh(self) -> None:
        """Fetch the package lists of the host's own sources.

        Raises:
            PackageUnavailable: no list could be had.
        """
        for part in ("lists/partial", "cache/archives/partial"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").write_bytes(b"")
        (self._folder / "preferences").write_text(_PREFERENCES, encoding="ascii")
        run_tool(["apt-get", *self._options(), "-q", "update"], self._folder)
        # A source that does not answer is only a warning of apt's.
        if not any((self._folder / "lists").glob("*Packages*")):
            raise PackageUnavailable(
                "apt got no package list",
                "check the network and apt's sources, or load a kept archive with `lmac images load`",
            )

    def closure(self, packages: Sequence[str]) -> dict[str, str]:
        """Name to version of the packages and all that they depend on; needs `refresh` first.

        Raises:
            PackageUnavailable: a package is unknown or cannot be installed.
        """
        printed = run_tool(
            ["apt-get", *self._options(), "-q", "--simulate", "install", *packages], self._folder
        )
        matches = (_INSTALL_LINE.match(line) for line in printed.splitlines())
        return {match["name"].partition(":")[0]: match["version"] for match in matches if match}

    def facts(self, pins: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
        """The one-line fields of (name, version) pairs: "Package", "Filename", "Size", "SHA256" and others.

        Raises:
            PackageUnavailable: no source has one of them.
        """
        wanted = [f"{name}={version}" for name, version in pins]
        printed = run_tool(["apt-cache", *self._options(), "show", *wanted], self._folder)
        return [_one_line_fields(stanza) for stanza in printed.split("\n\n") if stanza.strip()]

    def download(self, pins: Sequence[tuple[str, str]], folder: Path) -> None:
        """Bring the files of (name, version) pairs into `folder`; needs `refresh` first.

        Raises:
            PackageUnavailable: one of them is not to be had.
        """
        wanted = [f"{name}={version}" for name, version in pins]
        run_tool(["apt-get", *self._options(), "-q", "download", *wanted], folder)


def _one_line_fields(stanza: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in stanza.splitlines() if line[:1] not in ("", " "))
    return {key: value.strip() for key, _, value in pairs}


def wheel_options(architecture: str, python_version: str) -> list[str]:
    """Pip's options for wheels of another machine than this one."""
    platforms = (f"--platform={tag}_{MACHINES[architecture]}" for tag in MANYLINUX_TAGS)
    return [*platforms, f"--python-version={python_version}", "--implementation=cp"]


def pip_download(folder: Path, arguments: Sequence[str]) -> None:
    """Bring wheels into `folder`; sources are never built, so nothing of a package is run.

    Raises:
        PackageUnavailable: pip is absent or fails.
    """
    require_pip()
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "--quiet", "download"]
    # Our own cache is by digest; pip's would only double the space.
    run_tool([*pip, "--no-cache-dir", "--only-binary=:all:", f"--dest={folder}", *arguments], folder)


def require_pip() -> None:
    """See that this interpreter has pip.

    Raises:
        PackageUnavailable: it has none.
    """
    if importlib.util.find_spec("pip") is None:
        raise PackageUnavailable(f"{sys.executable} has no pip", f"run `{sys.executable} -m ensurepip`")
