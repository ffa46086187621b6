"""Contents of a run by their digest: those beside its journal, and those that follow from them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from lmac.errors import ConfigError
from lmac.journal import read_blob
from lmac.report.chronicle.told import as_digest


class Contents:
    """Reads each content when it is asked for; what was derived is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._derived: dict[str, bytes] = {}

    def keep(self, content: bytes | str) -> str:
        """Note a content that stands nowhere beside the journal; returns its digest."""
        blob = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
        digest = hashlib.sha256(blob).hexdigest()
        self._derived.setdefault(digest, blob)
        return digest

    def find(self, digest: str) -> bytes | None:
        """The bytes; None of what is missing or was changed."""
        if digest in self._derived:
            return self._derived[digest]
        try:
            return read_blob(self._folder, digest) if as_digest(digest) else None
        except ConfigError:
            return None

    def text(self, digest: str) -> str | None:
        """As text, what is none replaced."""
        blob = self.find(digest)
        return None if blob is None else blob.decode("utf-8", "replace")

    def parsed(self, digest: str) -> object:
        """As JSON; None when it is none."""
        try:
            return json.loads(self.find(digest) or b"null")
        except (ValueError, RecursionError):
            return None
