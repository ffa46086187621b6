"""The digest of a whole store, in time proportional to what changed.

A file falls into one of 256 buckets by the first byte of sha256 of its path. A bucket's digest is sha256 of
its lines, sorted by path: sha256 of the content in hex, a space, the path, a line feed. An empty bucket
counts as 32 zero bytes. The store's digest is the hex sha256 of the 256 bucket digests one after the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

BUCKETS = 256
_EMPTY = bytes(32)


def content_digest(content: bytes) -> str:
    """Hex sha256."""
    return hashlib.sha256(content).hexdigest()


def store_digest(files: Mapping[str, bytes]) -> str:
    """The digest that a store with exactly these files has."""
    digest = StoreDigest()
    for path, content in files.items():
        digest.put(path, content_digest(content))
    return digest.hexdigest()


class StoreDigest:
    """The digest as files come and go; the order of changes leaves no trace."""

    def __init__(self) -> None:
        self._buckets: list[dict[str, str]] = [{} for _ in range(BUCKETS)]
        self._digests = [_EMPTY] * BUCKETS
        self._stale: set[int] = set()

    def put(self, path: str, content_sha256: str) -> None:
        """Add or replace one file."""
        bucket = _bucket(path)
        self._buckets[bucket][path] = content_sha256
        self._stale.add(bucket)

    def remove(self, path: str) -> None:
        """Forget one file.

        Raises:
            KeyError: it is not there.
        """
        bucket = _bucket(path)
        del self._buckets[bucket][path]
        self._stale.add(bucket)

    def hexdigest(self) -> str:
        """64 hex characters; computes only the buckets that changed since the last call."""
        for bucket in self._stale:
            self._digests[bucket] = _bucket_digest(self._buckets[bucket])
        self._stale.clear()
        return hashlib.sha256(b"".join(self._digests)).hexdigest()


def _bucket(path: str) -> int:
    return hashlib.sha256(path.encode()).digest()[0]


def _bucket_digest(files: Mapping[str, str]) -> bytes:
    if not files:
        return _EMPTY
    lines = "".join(f"{files[path]} {path}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode()).digest()
