"""What is kept of one output stream: its head and its tail."""

from __future__ import annotations

import base64

from .frames import Frame


class Kept:
    """Counts everything, keeps at most `limit_bytes`; memory stays flat however much comes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._half = limit_bytes // 2
        self._head = bytearray()
        self._rest = bytearray()
        self.total_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        self.total_bytes += len(chunk)
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._rest += chunk[room:]
        # Trimmed only at twice its size, so that small chunks do not move the tail each time.
        if len(self._rest) > 2 * self._limit_bytes:
            del self._rest[: -self._limit_bytes]

    def parts(self) -> tuple[bytes, bytes]:
        """Head and tail; the tail is empty when nothing was cut."""
        if self.total_bytes <= self._limit_bytes:
            return bytes(self._head + self._rest), b""
        return bytes(self._head), bytes(self._rest[len(self._rest) - (self._limit_bytes - self._half) :])

    def frame(self) -> Frame:
        """As it goes over the wire."""
        head, tail = self.parts()
        return {
            "head": base64.b64encode(head).decode("ascii"),
            "tail": base64.b64encode(tail).decode("ascii"),
            "total_bytes": self.total_bytes,
        }
