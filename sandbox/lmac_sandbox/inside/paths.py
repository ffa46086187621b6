"""What a store path may look like. Lexical on purpose: resolving would let somebody's links decide."""

from __future__ import annotations

import unicodedata

PATH_BYTES = 255
SEGMENT_BYTES = 100
DEPTH = 16
"""Segments of a path, the file's own name included."""

SHOWN_CHARACTERS = 300
"""Of a path in an error's text, escapes and quotes included; an ordinary path of full length fits."""

RESERVED_PREFIX = ".lmac-"
"""Names of the keeper's temporary files begin so."""

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, invisible and direction-changing characters, lone surrogates, unassigned, line separators."""
_FORBIDDEN_SEGMENTS = frozenset({"", ".", "..", ".git"})


class BadPath(ValueError):
    """A path that breaks a rule; the text says which, and shows the path escaped."""


def check_path(path: str) -> str:
    """The path itself, when it keeps every rule.

    Relative, segments divided by `/`, NFC, visible characters only, no `.`, `..` or `.git` segment.

    Raises:
        BadPath: it breaks a rule.
    """
    if fault := _fault(path):
        raise BadPath(f"{shown(path)} {fault}")
    return path


def shown(path: str) -> str:
    """The path in quotes, escaped and cut to `SHOWN_CHARACTERS`, safe to print anywhere."""
    escaped = ascii(path[:SHOWN_CHARACTERS])
    if len(escaped) <= SHOWN_CHARACTERS:
        return escaped
    # One character becomes up to ten, hence the cut after escaping.
    return f"{escaped[: SHOWN_CHARACTERS - 4]}...{escaped[0]}"


def fold(path: str) -> str:
    """What two paths share when a file system that ignores case or normalisation takes them for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", path).casefold())


def parents(path: str) -> list[str]:
    """Every folder above the file, outermost first: `a/b/c.py` gives `a`, `a/b`."""
    segments = path.split("/")
    return ["/".join(segments[:depth]) for depth in range(1, len(segments))]


def _fault(path: str) -> str:
    """The rule that the path breaks; "" when it keeps them all."""
    if not path:
        return "is empty"
    if len(path) > PATH_BYTES:
        return f"is longer than {PATH_BYTES} bytes"
    if bad := next((char for char in path if unicodedata.category(char) in _FORBIDDEN_CATEGORIES), None):
        return f"holds the forbidden character U+{ord(bad):04X}"
    if len(path.encode()) > PATH_BYTES:
        return f"is longer than {PATH_BYTES} bytes"
    if path.startswith("/"):
        return "is absolute; store paths are relative"
    if "\\" in path:
        return "holds a backslash; segments are divided by /"
    if not unicodedata.is_normalized("NFC", path):
        return "is not in Unicode's form NFC"
    segments = path.split("/")
    if len(segments) > DEPTH:
        return f"is deeper than {DEPTH} segments"
    return next((fault for segment in segments if (fault := _segment_fault(segment))), "")


def _segment_fault(segment: str) -> str:
    if segment == "":
        return "has an empty segment"
    if fold(segment) in _FORBIDDEN_SEGMENTS:
        return f"has the forbidden segment {segment!r}"
    if len(segment.encode()) > SEGMENT_BYTES:
        return f"has a segment longer than {SEGMENT_BYTES} bytes"
    if segment.startswith(RESERVED_PREFIX):
        return f"has a segment that begins with {RESERVED_PREFIX}, which is reserved"
    if segment != segment.strip():
        return "has a segment that begins or ends with a space"
    return ""
