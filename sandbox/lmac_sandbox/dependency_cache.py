"""What a cache notes of layers of packages: which wheels gave which, and when each was used last."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

NOTES = "layers"
"""Folder of notes, each named by the digest of what decides a layer, each holding the layer's own."""
PACKAGES = "packages"


def noted_layer(path: Path) -> str | None:
    """Digest of a layer (hex); None where there is no such note, or a damaged one."""
    try:
        noted = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return noted if re.fullmatch(r"[0-9a-f]{64}", noted) else None


def note_use(paths: Iterable[Path]) -> None:
    """Have these count as used just now."""
    for path in paths:
        os.utime(path)
