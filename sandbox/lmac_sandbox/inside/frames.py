"""Frames: four bytes of length, most significant first, then that many bytes of one JSON object in UTF-8."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

PROTOCOL = 3
"""Told by every hello; host and image must agree."""
PREFIX_BYTES = 4
FRAME_BYTES = 32 * 2**20
"""No frame is longer, in either direction."""

Frame = dict[str, Any]


class FrameError(ValueError):
    """Bytes that are no frame."""


def encode(frame: Frame) -> bytes:
    """The frame's bytes.

    Raises:
        FrameError: it would be longer than `FRAME_BYTES`.
    """
    body = json.dumps(frame, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    if len(body) > FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes passes the limit of {FRAME_BYTES}")
    return len(body).to_bytes(PREFIX_BYTES, "big") + body


def parse(body: bytes) -> Frame:
    """One JSON object.

    Raises:
        FrameError: anything else.
    """
    try:
        frame = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError("a frame is not JSON") from error
    if not isinstance(frame, dict):
        raise FrameError("a frame is not a JSON object")
    return frame


class Decoder:
    """Turns a stream, cut anywhere, back into frames; time is linear in the bytes fed."""

    def __init__(self, frame_bytes: int = FRAME_BYTES) -> None:
        self._frame_bytes = frame_bytes
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that has not ended yet."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Every frame that `chunk` completes.

        Raises:
            FrameError: the stream is not ours; it cannot be used any further.
        """
        self._buffer += chunk
        start = 0
        try:
            while (end := self._end(start)) is not None:
                body = bytes(memoryview(self._buffer)[start + PREFIX_BYTES : end])
                start = end
                yield parse(body)
        finally:
            del self._buffer[:start]

    def _end(self, start: int) -> int | None:
        """Where the frame that begins at `start` ends; None while it is incomplete."""
        if len(self._buffer) - start < PREFIX_BYTES:
            return None
        length = int.from_bytes(self._buffer[start : start + PREFIX_BYTES], "big")
        if length > self._frame_bytes:
            raise FrameError(f"a frame announces {length} bytes, the limit is {self._frame_bytes}")
        end = start + PREFIX_BYTES + length
        return end if end <= len(self._buffer) else None
