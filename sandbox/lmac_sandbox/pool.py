"""Boxes started ahead of need, so that nobody waits for the start of a container."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from lmac_sandbox.box import START_SECONDS, Box
from lmac_sandbox.errors import EngineFailure, ImageNotFound, SandboxError
from lmac_sandbox.limits import Limits

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine
    from lmac_sandbox.owner import Owner
    from lmac_sandbox.volume import Volume

_CLOSE_SECONDS = 2 * START_SECONDS
_REMOVE_SECONDS = 20.0


class Pool:
    """Keeps `size` boxes ready; each is given out once.

    Boxes end with this process whatever happens to it, since their runners wait on its end of a socket.
    """

    def __init__(
        self,
        engine: Engine,
        volume: Volume,
        image_id: str,
        owner: Owner,
        limits: Limits,
        size: int = 1,
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._size = size
        self._start: Callable[[], Box] = lambda: Box.start(engine, volume, image_id, owner, limits)
        self._changed = threading.Condition()
        self._ready: deque[Box] = deque()
        self._failure: SandboxError | None = None
        self._closing = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._keep_ready, name="lmac-pool", daemon=True)

    def __enter__(self) -> Pool:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self) -> Box:
        """A box that nobody has used; waits for one when none is ready. Use it in a `with` block.

        Raises:
            SandboxError: boxes do not come up, tried twice; the next call tries again. Or the pool is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._failure or self._closing)
            if self._ready:
                box = self._ready.popleft()
                self._changed.notify_all()
                return box
            failure, self._failure = self._failure, None
            self._changed.notify_all()
        if failure is None and self._fault is not None:
            raise SandboxError(f"the pool is closed: it failed with {self._fault!r}") from self._fault
        raise failure or SandboxError("the pool is closed")

    def close(self) -> None:
        """Remove every box of this owner's run, those that were given out too, and return when they are gone.

        Raises:
            EngineFailure: one of them stays.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
        while self._ready:
            self._ready.popleft().close()
        self._remove_all()

    def _keep_ready(self) -> None:
        """The thread; whatever ends it also ends the waiting in `take`."""
        try:
            self._start_boxes()
        finally:
            with self._changed:
                self._fault = sys.exception()
                self._closing = True
                self._changed.notify_all()

    def _start_boxes(self) -> None:
        while self._wait_for_need():
            try:
                box = self._start_twice()
            except SandboxError as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                continue
            with self._changed:
                self._ready.append(box)
                self._changed.notify_all()

    def _remove_all(self) -> None:
        deadline = time.monotonic() + _REMOVE_SECONDS
        while boxes := self._engine.containers(self._owner.labels("box")):
            if time.monotonic() > deadline:
                raise EngineFailure(f"{len(boxes)} boxes are still there after {_REMOVE_SECONDS:.0f} s")
            for container_id in boxes:
                self._engine.remove_container(container_id)
            time.sleep(0.02)

    def _wait_for_need(self) -> bool:
        """Return when a box is needed; False when the pool closes."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or (len(self._ready) < self._size and self._failure is None)
            )
            return not self._closing

    def _start_twice(self) -> Box:
        try:
            return self._start()
        except ImageNotFound:
            raise
        except SandboxError:
            return self._start()
