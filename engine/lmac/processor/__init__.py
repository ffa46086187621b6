"""The processor: one request in, one reply out, whoever answers."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from lmac.errors import ModelError
from lmac.messages import Reply, Request

RetryWatcher = Callable[[ModelError, float], None]
"""Gets the error, and the wait in seconds before the next try."""


class Processor(Protocol):
    """Answers requests, one at a time; owned by a `with` block.

    Source: L2MAC, section 3.1, the LLM as the processor of a stored-program computer.
    """

    def ask(self, request: Request) -> Reply:
        """Give the reply to one request.

        Raises:
            ContextOverflow: the request is too long for the model.
            ModelError: no usable reply came; the subclass says why.
        """
        ...

    def watch_retries(self, watcher: RetryWatcher) -> None:
        """Tell of each failed try within `ask` before the next one; what the watcher raises ends the call."""
        return

    def close(self) -> None:
        """Let go of connections; a second call does nothing."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ServerProcessor(Processor, Protocol):
    """A processor that is a server's."""

    @property
    def base_url(self) -> str:
        """Where the requests go."""
        ...

    def fetch(self, address: str) -> bytes | None:
        """What the server has at an address, relative to `base_url` or whole; None when nothing.

        Raises:
            ModelError: no server answers, or not in time.
        """
        ...
