"""Runs in threads of this process, on one container engine or on several."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from lmac.assembly import Shared
from lmac.batch.definition import Caps
from lmac.batch.engines import EnginePool, KnownEngine, Lent
from lmac.batch.halt import Halt
from lmac.batch.job import Job
from lmac.batch.limiter import CallLimiter
from lmac.batch.pace import Pace
from lmac.batch.paced_processor import Means, PacedProcessor
from lmac.batch.purse import Purse
from lmac.batch.servers import ModelServers, ServerKey, server_key
from lmac.batch.workplace import Done, Errand, carried_out, failed
from lmac.transitions import Outcome
from lmac_sandbox import Endpoint, EngineUnavailable, SharedTurns


class LocalWorkplace:
    """Threads of this process.

    Args:
        engines: That carry the runs; none: each job's config names its own.
        servers_folder: Gets the logs of embedded models' servers.
    """

    rest_seconds = 0.0

    def __init__(
        self, caps: Caps, engines: tuple[KnownEngine, ...], servers_folder: Path, purse: Purse, halt: Halt
    ) -> None:
        processors = os.cpu_count() or 1
        self._pool = EnginePool(engines, caps.boxes) if engines else None
        self._runs = caps.runs or (sum(engine.runs for engine in engines) if engines else processors)
        self._model_calls = caps.model_calls
        self._turns: AbstractContextManager[object] = SharedTurns(caps.boxes or processors)
        self._purse = purse
        self._halt = halt
        self._limiters: dict[ServerKey, CallLimiter] = {}
        self._servers = ModelServers(servers_folder)
        self._under_way = 0
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        _open_files_as_allowed()
        self._stack.enter_context(self._servers)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def places(self) -> int:
        return self._runs if self._pool is None else min(self._runs, self._pool.places)

    def begin(self, errand: Errand, hand_over: Callable[[Done], None]) -> bool:
        with self._lock:
            if self._under_way >= self._runs:
                return False
            lent = self._pool.take() if self._pool else None
            if self._pool is not None and lent is None:
                return False
            self._under_way += 1
        work = partial(self._work, errand, lent, hand_over)
        threading.Thread(target=work, name=errand.job.id, daemon=True).start()
        return True

    def _work(self, errand: Errand, lent: Lent | None, hand_over: Callable[[Done], None]) -> None:
        try:
            done = self._carried_out(errand, lent)
        except Exception as error:  # noqa: BLE001 - the batch waits for every errand that it began
            done = failed(errand.job, errand.folder.name, error)
        with self._lock:
            self._under_way -= 1
        if self._pool is not None and lent is not None:
            self._pool.give_back(lent)
        hand_over(done)

    def _carried_out(self, errand: Errand, lent: Lent | None) -> Done:
        job = errand.job
        if self._pool is None or lent is None:
            return carried_out(errand, partial(self._shared, job, None, self._turns), self._halt.check)
        # One that was gone for a while may still be: known before anything is written.
        if not self._pool.is_there(lent):
            gone = EngineUnavailable(f"the engine at {lent.endpoint} does not answer")
            return failed(job, errand.folder.name, gone).lost()
        shared = partial(self._shared, job, lent.endpoint, lent.turns)
        done = carried_out(errand, shared, self._halt.check)
        failing = done.record is not None and done.record.outcome == Outcome.SANDBOX_FAILED.value
        return done.lost() if failing and not self._pool.is_there(lent) else done

    def _shared(self, job: Job, endpoint: Endpoint | None, turns: AbstractContextManager[object]) -> Shared:
        self._halt.check()
        paced = partial(PacedProcessor, means=self._means(job))
        return Shared(turns, endpoint, self._servers.of(job), paced)

    def _means(self, job: Job) -> Means:
        with self._lock:
            most = most_calls(job, self._model_calls, self._runs)
            limiter = self._limiters.setdefault(server_key(job), CallLimiter(Pace.of(most), self._halt))
        prices = job.profile.prices
        return Means(limiter, self._purse, self._halt, prices.cost if prices else None)


def _open_files_as_allowed() -> None:
    """A run holds 25 files and sockets open; the usual 1,024 of a process would stop the 40th."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def most_calls(job: Job, cap: int | None, runs: int) -> int:
    """Of the job's server at a time."""
    # An embedded server has one window: a second call would wait there, and its time run.
    return 1 if job.profile.embedded else cap or runs
