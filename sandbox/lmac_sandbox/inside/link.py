"""The socket between subject and judge: one frame at a time, both ways, each capped."""

from __future__ import annotations

import socket
from collections import deque

from .frames import Decoder, Frame, FrameError, encode

LINK_FRAME_BYTES = 4 * 2**20
_CHUNK_BYTES = 64 * 2**10


class Link:
    """One end; whoever is at the other one is not believed."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._decoder = Decoder(LINK_FRAME_BYTES)
        self._waiting: deque[Frame] = deque()

    def send(self, frame: Frame) -> None:
        """Write one frame whole.

        Raises:
            FrameError: it is too long; nothing was sent.
            OSError: nobody is at the other end.
        """
        raw = encode(frame)
        if len(raw) > LINK_FRAME_BYTES:
            raise FrameError(f"a value of {len(raw)} bytes passes the limit of {LINK_FRAME_BYTES}")
        self._socket.sendall(raw)

    def receive(self) -> Frame | None:
        """The next frame; None when the other end is closed. Descriptors that come with it are dropped.

        Raises:
            FrameError: what came is no frame.
            OSError: the other end broke.
        """
        while not self._waiting:
            chunk = self._socket.recv(_CHUNK_BYTES)
            if not chunk:
                return None
            self._waiting.extend(self._decoder.feed(chunk))
        return self._waiting.popleft()
