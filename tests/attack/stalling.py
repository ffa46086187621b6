"""A socket before the real engine that passes everything on until it is told to stall."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

REAL = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
_PIECE_BYTES = 2**16


class StallingEngine:
    """Answers as the engine does, until it stalls or cuts off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._flowing = threading.Event()
        self._flowing.set()
        self._ends: list[socket.socket] = []

    @property
    def url(self) -> str:
        """For `Engine.connect`."""
        return f"unix://{self._path}"

    def stall(self) -> None:
        """From now on nothing is passed on in either direction."""
        self._flowing.clear()

    def cut(self) -> None:
        """Close every connection that there is."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._listener.bind(str(self._path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()
        self._flowing.set()

    def _accept(self) -> None:
        # The listener is closed to end this thread.
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(REAL)
                self._ends += (near, far)
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                self._flowing.wait()
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
