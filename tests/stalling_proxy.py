"""A loopback proxy before the engine that falls silent, or hangs up: an engine that hangs, for real."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from types import TracebackType

ENGINE_URL = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
_CHUNK_BYTES = 2**16


class StallingProxy:
    """Passes everything on until it is told to stall, but for the first requests that hold `mark`.

    Args:
        mark: Within the opening line, as in "POST /v1.41/containers/create?name=...".
        stalls: How many such requests get no answer.
        passes_on: Whether the engine hears them: an answer that is lost, not a request.
    """

    def __init__(self, mark: str = "", stalls: int = 0, passes_on: bool = False) -> None:
        self._mark = mark.encode()
        self._stalls_left = stalls
        self._passes_on = passes_on
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._all_silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.stalled = 0

    @property
    def url(self) -> str:
        """For `Engine.connect`."""
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def stall(self) -> None:
        """From now on nothing is passed on in either direction."""
        self._all_silent.set()

    def cut(self) -> None:
        """Close every connection that there is."""
        for opened in self._open:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> StallingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for opened in (self._listener, *self._open):
            opened.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = _connected()
                self._open += (client, engine)
                silent = threading.Event()
                threading.Thread(target=self._pass_on, args=(client, engine, silent), daemon=True).start()
                threading.Thread(target=self._answer, args=(engine, client, silent), daemon=True).start()

    def _pass_on(self, client: socket.socket, engine: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            while chunk := client.recv(_CHUNK_BYTES):
                if self._stalls(chunk):
                    silent.set()
                if self._all_silent.is_set():
                    continue
                if not silent.is_set() or self._passes_on:
                    engine.sendall(chunk)
            engine.shutdown(socket.SHUT_WR)

    def _answer(self, engine: socket.socket, client: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            while chunk := engine.recv(_CHUNK_BYTES):
                if not silent.is_set() and not self._all_silent.is_set():
                    client.sendall(chunk)
            if not silent.is_set() and not self._all_silent.is_set():
                client.shutdown(socket.SHUT_WR)

    def _stalls(self, chunk: bytes) -> bool:
        with self._lock:
            stalls = self._stalls_left > 0 and self._mark in chunk.partition(b"\r\n")[0]
            self._stalls_left -= stalls
            self.stalled += stalls
            return stalls


def _connected() -> socket.socket:
    kind, _, place = ENGINE_URL.partition("://")
    if kind == "tcp":
        host, _, port = place.rpartition(":")
        return socket.create_connection((host, int(port)))
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(place)
    return engine
