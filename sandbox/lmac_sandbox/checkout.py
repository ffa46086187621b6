"""The state of a checkout, by the host's git."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a checkout holds."""

    commit: str
    dirty: bool
    """Whether files of it differ from the commit, or are not in it."""


def checkout_state(top: Path, parts: Sequence[str]) -> Checkout | None:
    """The commit of the checkout with this very top folder; None of no checkout, or without git.

    Args:
        parts: Folders of it whose changes count.
    """
    if not (top / ".git").exists():
        return None
    commit = _git(top, "rev-parse", "--verify", "HEAD")
    changes = _git(top, "status", "--porcelain", "--untracked-files=normal", "--", *parts)
    if commit is None or changes is None or not re.fullmatch(r"[0-9a-f]{40,64}", commit.strip()):
        return None
    return Checkout(commit.strip(), bool(changes.strip()))


def _git(top: Path, *arguments: str) -> str | None:
    # No helper that a configuration names is run, and nothing is written, not even the index.
    options = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *options, *arguments],
            cwd=top,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
