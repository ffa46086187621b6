"""Answers from inside a container, read field by field; only what has its type and size is taken."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from lmac_sandbox.errors import WireError
from lmac_sandbox.inside.frames import Frame

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Answer:
    """One answer; every reader raises `WireError` when the field is absent or not as it must be."""

    def __init__(self, frame: Frame, program: str) -> None:
        self._frame = frame
        self._program = program

    def __contains__(self, key: str) -> bool:
        return key in self._frame

    def text(self, key: str, characters: int) -> str:
        """A string of at most so many characters."""
        value = self._get(key)
        if not isinstance(value, str) or len(value) > characters:
            raise self._fault(key, f"no text of at most {characters} characters")
        return value

    def digest(self, key: str) -> str:
        """A sha256 in hex."""
        value = self.text(key, 64)
        if not _DIGEST.fullmatch(value):
            raise self._fault(key, "no sha256")
        return value

    def integer(self, key: str, most: int = 2**53) -> int:
        """A number from 0 to `most`."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise self._fault(key, f"no whole number from 0 to {most}")
        return value

    def integer_or_none(self, key: str, most: int) -> int | None:
        """The same, or null."""
        return None if self._get(key) is None else self.integer(key, most)

    def seconds(self, key: str) -> float:
        """A duration."""
        value = self._get(key)
        if not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            raise self._fault(key, "no duration")
        return float(value)

    def content(self, key: str, limit_bytes: int) -> bytes:
        """Bytes that came in base64."""
        value = self._get(key)
        if not isinstance(value, str) or len(value) > 4 * (limit_bytes // 3 + 1):
            raise self._fault(key, f"no base64 of at most {limit_bytes} bytes")
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise self._fault(key, "no base64") from error

    def value(self, key: str) -> object:
        """Whatever stands there; its reader checks it."""
        return self._get(key)

    def items(self, key: str) -> Iterator[object]:
        """The elements of a list."""
        value = self._get(key)
        if not isinstance(value, list):
            raise self._fault(key, "no list")
        return iter(value)

    def part(self, key: str) -> Answer:
        """An object inside the answer."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self._fault(key, "no object")
        return Answer(value, self._program)

    def _get(self, key: str) -> object:
        try:
            return self._frame[key]
        except KeyError as error:
            raise self._fault(key, "missing") from error

    def _fault(self, key: str, fault: str) -> WireError:
        return WireError(f"answer of the {self._program}: {key!r} is {fault}")
