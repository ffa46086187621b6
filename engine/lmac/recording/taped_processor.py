"""A processor whose replies come from the journal as far as it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from lmac.errors import ModelError
from lmac.journal import BlobMissing, Effect, Journal
from lmac.messages import Reply, Request
from lmac.processor import Processor, RetryWatcher
from lmac.recording.calls import error_fields, read_error, read_reply, reply_lost

P = TypeVar("P", bound=Processor)


class TapedProcessor(Processor, Generic[P]):
    """Gives recorded replies and failures, then those of a processor that is started when it is first needed.

    Args:
        start: Starts the processor, whose closing is the caller's.
    """

    def __init__(self, journal: Journal, start: Callable[[], P]) -> None:
        self._journal = journal
        self._start = start
        self._started: P | None = None
        self._watcher: RetryWatcher | None = None
        if not journal.is_replaying:
            self.live()

    def live(self) -> P:
        """The processor itself.

        Raises:
            ModelError: it does not come up.
        """
        if self._started is None:
            self._started = self._start()
            if self._watcher is not None:
                self._started.watch_retries(self._watcher)
        return self._started

    def watch_retries(self, watcher: RetryWatcher) -> None:
        self._watcher = watcher
        if self._started is not None:
            self._started.watch_retries(watcher)

    def ask(self, request: Request) -> Reply:
        """Give the reply to a request that was just journalled.

        Raises:
            ModelError: as it was recorded, or as the processor fails now.
        """
        while (event := self._journal.recorded(Effect.MODEL, "reply", "model_error", "retry")) is not None:
            match event.kind:
                case "reply":
                    try:
                        return read_reply(event.data, self._journal.read)
                    except BlobMissing:
                        self._journal.cut()
                case "model_error":
                    raise read_error(event.data)
                case _:
                    self._journal.skip()
                    self._tell(read_error(event.data), event.data["wait_seconds"])
        lost = self._journal.take_lost_calls() + (not self._journal.has_gone_on)
        for _ in range(lost):
            # It was begun, so it counts; that it is made again stands in the journal.
            self._journal.append("retry", **error_fields(reply_lost()), wait_seconds=0.0)
            self._tell(reply_lost(), 0.0)
        return self.live().ask(request)

    def _tell(self, error: ModelError, wait_seconds: float) -> None:
        if self._watcher is not None:
            self._watcher(error, wait_seconds)
