"""Calls that end at a wall-clock deadline, however slowly the other side trickles."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class CallThread:
    """An event loop in a daemon thread of its own.

    A client's timeouts count from byte to byte, so one byte a second keeps a call alive for ever. A coroutine
    can be given up between any two bytes, and the caller's wait ends on time even when a name look-up hangs.
    The caller may itself be a coroutine's thread, a notebook's for one.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lmac-model-calls", daemon=True)
        self._thread.start()

    def run(self, call: Coroutine[Any, Any, Result], wall_seconds: float) -> Result:
        """Wait for the call's result; the call is given up when the wait ends early for any reason.

        Raises:
            TimeoutError: `wall_seconds` passed.
        """
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result(wall_seconds)
        except concurrent.futures.TimeoutError as error:
            raise TimeoutError(f"no result within {wall_seconds:g} s") from error
        finally:
            future.cancel()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._loop.is_closed()

    def close(self) -> None:
        """Stop the loop; calls still under way are dropped. A second call does nothing."""
        if self.closed:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
