"""Turns of the machine on the host: without model, keeper, boxes and disk syncs, which others measure."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import cast

from bench.figures import Measured, figure
from lmac.briefing import Setting
from lmac.budget import Budget, BudgetLimits
from lmac.control_unit import ControlUnit, Machine
from lmac.conversation import Conversation
from lmac.evaluation import CheckResult, Finding, Report, Verdict
from lmac.evaluation.due import Due
from lmac.evaluator import BoxBroken, Evaluator
from lmac.file_store import FileStore
from lmac.journal import Journal
from lmac.messages import Finish, Reply, Request, Sampling
from lmac.processor import Processor
from lmac.processor.fenced import FencedProtocol
from lmac.program import ProgramForm, Task
from lmac.prompts import shipped_prompts
from lmac.store_map import StoreMap
from lmac.tools import Workspace
from lmac.transitions import MachineLimits
from lmac_sandbox import Ending, FileEntry, JobResult, Overlay
from random_conversations import FAMILIES, converse

FILES = 1000
TURNS = 200
FIRST = 20
"""Turns that are compared with as many at the end."""
RUNS = 3
CONVERSATIONS = 10_000


class _Aside:
    """A clock that stands still while others work."""

    def __init__(self) -> None:
        self._aside = 0.0

    @contextmanager
    def others(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._aside += time.perf_counter() - started

    def now(self) -> float:
        return time.perf_counter() - self._aside


class _Keeper:
    """The store's keeper as the host sees it: answers from elsewhere."""

    def __init__(self, clock: _Aside) -> None:
        self._clock = clock
        self._writes = 0
        self._files = {f"d{number % 50}/f{number}.py": b"value = 1\n" * 20 for number in range(FILES)}

    def write(self, path: str, content: bytes) -> str:
        with self._clock.others():
            self._files[path] = content
            self._writes += 1
            return self.digest()

    def read(self, path: str) -> bytes:
        return self._files[path]

    def delete(self, path: str) -> str:
        del self._files[path]
        return self.digest()

    def list(self) -> tuple[FileEntry, ...]:
        with self._clock.others():
            return tuple(FileEntry(path, len(held), "0" * 64) for path, held in self._files.items())

    def digest(self) -> str:
        return f"{self._writes:064}"

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        return iter(self._files.items())

    def overlay_digest(self, overlay: Overlay) -> str:
        raise AssertionError("no turn has candidates")


class _Evaluator:
    """Red, each time for another reason."""

    def run_tool(self, *_: object) -> JobResult:
        raise BoxBroken("no box maps this store")

    def evaluate(self, store_digest: str, *, due: Due) -> Report:
        number = int(store_digest)
        failed = Finding(f"tests/test_a.py::test_{number}", f"assert {number} == {number + 1}\n" * 40)
        # Each state is better than the one before it: nothing is to be put back.
        result = CheckResult("tests", Verdict.FAILED, Ending.EXITED, (failed,), number, 1, counts_tests=True)
        return Report(store_digest, (result,))


class _Model(Processor):
    """Writes one file and reads another in each turn; notes the host's time between two calls."""

    def __init__(self, clock: _Aside) -> None:
        self._clock = clock
        self._left: float | None = None
        self.host_seconds: list[float] = []

    def ask(self, request: Request) -> Reply:
        if self._left is not None:
            self.host_seconds.append(self._clock.now() - self._left)
        with self._clock.others():
            reply = self._reply(len(self.host_seconds))
        self._left = self._clock.now()
        return reply

    def _reply(self, number: int) -> Reply:
        if self._left is None:
            return Reply("1. Write all of it. (files: all.py)", Finish.STOP)
        code = f"VALUE_{number} = {number}\n" * 40
        read = f"READ d{number % 50}/f{number}.py"
        return Reply(f"FILE: new/f{number}.py\n```\n{code}```\n\n{read}", Finish.STOP)


class _Journal(Journal):
    clock: _Aside

    def sync(self) -> None:
        with self.clock.others():
            super().sync()


@cache
def _host_ms() -> list[float]:
    """Of each turn the quickest of a few runs: what else the machine does is no part of it."""
    return [min(times) for times in zip(*(_run_ms() for _ in range(RUNS)), strict=True)]


def _run_ms() -> list[float]:
    clock = _Aside()
    model = _Model(clock)
    setting = Setting(
        task=Task("Write all of it.", "all"),
        prompts=shipped_prompts("codebase"),
        limits=MachineLimits(turns=TURNS, attempts=1),
        most_instructions=1,
        context_tokens=10_000_000,
        sampling=Sampling(0.0, 1000),
        program_form=ProgramForm.NUMBERED,
    )
    with tempfile.TemporaryDirectory() as folder, _Journal(Path(folder)) as journal:
        journal.clock = clock
        store, evaluator = FileStore(_Keeper(clock)), cast(Evaluator, _Evaluator())
        workspace = Workspace(store, evaluator, StoreMap(evaluator, store))
        protocol = FencedProtocol()
        conversation = Conversation(model, protocol, journal, Budget(BudgetLimits()))
        ControlUnit(Machine(setting, conversation, protocol, workspace, journal)).run()
    # The first is the window's opening.
    return [1000 * seconds for seconds in model.host_seconds[1:TURNS]]


@figure("ms", at_most=10)
def turn_host_ms() -> Measured:
    """One turn with a history of 200, in a store of 1,000 files: a write, a read, a red report."""
    spent = _host_ms()
    worst = f"the slowest of {len(spent)} turns {max(spent):.1f} ms"
    return Measured(statistics.median(spent[-FIRST:]), worst)


@figure("x", at_most=1.5)
def turn_host_growth() -> Measured:
    """The last 20 of 200 turns against the first 20."""
    spent = _host_ms()
    first, last = statistics.median(spent[:FIRST]), statistics.median(spent[-FIRST:])
    return Measured(last / first, f"{last:.2f} ms against {first:.2f} ms")


@figure("refused", at_most=0)
def strict_server_refused() -> Measured:
    """Requests of 10,000 random conversations that a strict server refused, for whatever reason.

    But for those that are too long for a server which holds less than was said: those must be recovered from.
    """
    refused = calls = recovered = 0
    for seed in range(CONVERSATIONS):
        told = converse(seed)
        calls += told.calls
        honest = told.family == FAMILIES[0]
        refused += len(told.refused) + (told.too_long if honest else 0)
        recovered += 0 if honest else told.too_long
    return Measured(refused, f"{calls} calls; servers smaller than said refused {recovered} more")
