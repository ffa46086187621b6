"""Sandboxes that share turns: containers start and jobs run no more at a time than the turns allow."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from lmac_sandbox import Engine, Job, open_sandbox

pytestmark = pytest.mark.engine


class Counted(AbstractContextManager[object]):
    """A semaphore that remembers how many held it at a time."""

    def __init__(self, most: int) -> None:
        self._turns = threading.BoundedSemaphore(most)
        self._guard = threading.Lock()
        self._held = 0
        self.highest = 0
        self.count = 0

    def __enter__(self) -> object:
        self._turns.acquire()
        with self._guard:
            self._held += 1
            self.count += 1
            self.highest = max(self.highest, self._held)
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._held -= 1
        self._turns.release()


def test_two_sandboxes_with_one_turn_between_them_start_and_work_one_after_the_other(image_id: str) -> None:
    turns = Counted(1)

    def work(_: int) -> int:
        with (
            Engine.connect(turns=turns) as engine,
            open_sandbox(engine, image_id) as sandbox,
            sandbox.warm_box(sessions=False).take() as tools,
            sandbox.boxes.take() as box,
        ):
            tools.snapshot()
            box.snapshot()
            return box.run(Job(("true",))).exit_code or 0

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(2))) == [0, 0]
    assert turns.highest == 1
    # A keeper, a warm box, at least one box, and one job each.
    assert turns.count >= 8
