"""Whole runs that die at any byte and are resumed: `run.carry_through` upon a store and boxes in memory.

The model stands outside of the process that dies: whoever asks for the n-th reply once more gets the same.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lmac import run as run_module
from lmac.assembly import RunSandbox, Shared
from lmac.config import RunConfig
from lmac.errors import ModelError
from lmac.file_store import FileStore
from lmac.journal import JOURNAL_NAME, PACK_NAME, Journal, Listener, Policy
from lmac.journal.event import Line
from lmac.journal.reading import read_lines
from lmac.journal.tape import SURROUNDINGS, history
from lmac.messages import Reply, Request
from lmac.models.profile import ModelProfile
from lmac.processor import Processor, ServerProcessor
from lmac.processor.recorded import request_digest
from lmac.program import Task
from lmac.recording.audit import Audit
from lmac.recording.audited_evaluator import AuditedEvaluator
from lmac.recording.audited_journal import AuditedJournal, RecordingOver
from lmac.recording.taped_evaluator import TapedEvaluator
from lmac.report.result import RunResult
from lmac.run import RunOrder, carry_through
from lmac.starting_folder import Start
from lmac.store_map import StoreMap
from lmac.tools import Workspace
from lmac.transitions import MachineKind
from lmac_sandbox import Sandbox
from locks import lock
from memory_keeper import MemoryKeeper
from memory_machine import CHECKS, MemoryBoxes
from random_model import Nature, RandomModel
from strict_processor import StrictProcessor

Answer = Reply | ModelError


@dataclass(slots=True)
class Outside:
    """What outlives the process: the model's server, by the order in which it is asked."""

    model: Callable[[Request], Reply]
    asked: list[tuple[str, Answer]] = field(default_factory=list)
    """Each request by its digest, with what came of it."""

    def answer(self, number: int, request: Request) -> Reply:
        """The answer to the call of that number, from 0; the same for whoever asks again."""
        if number == len(self.asked):
            self.asked.append((request_digest(request), self._tried(request)))
        digest, answer = self.asked[number]
        assert digest == request_digest(request), f"call {number} asks for something else than before"
        if isinstance(answer, ModelError):
            raise answer
        return answer

    def _tried(self, request: Request) -> Answer:
        try:
            return self.model(request)
        except ModelError as error:
            return error


@dataclass(slots=True)
class _Client(ServerProcessor):
    """One process's connection to it."""

    outside: Outside
    next_call: int
    made: int = 0
    base_url = "http://127.0.0.1:9/v1"

    def fetch(self, address: str) -> bytes | None:
        return None

    def ask(self, request: Request) -> Reply:
        number, self.next_call = self.next_call, self.next_call + 1
        self.made += 1
        return self.outside.answer(number, request)


class _Unasked(Processor):
    """No audit asks a model."""

    def ask(self, request: Request) -> Reply:
        raise AssertionError("the model was asked")


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one process."""

    result: RunResult
    calls_made: int
    """That the server saw from this process."""
    delivered: Mapping[str, bytes]
    events: tuple[tuple[str, Any], ...]
    """Kind and data of all that counts, without what only a resumption tells, times and numbers of events."""
    lost_calls: int
    """As the journal tells them."""


@dataclass(frozen=True, slots=True)
class Crash:
    """What a process that died has left."""

    journal_bytes: int
    pack_bytes: int


class Runs:
    """Carries runs out in this process.

    Args:
        order: But for its folder.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, order: RunOrder, model: Callable[[Request], Reply]):
        self.order = order
        self.outside = Outside(model)
        self._monkeypatch = monkeypatch

    def begin(self, folder: Path, listener: Listener | None = None) -> Told:
        """The run, undisturbed."""
        folder.mkdir()
        with UnsyncedJournal(folder, listener) as journal:
            return self._carry_through(journal, folder)

    def resume(self, folder: Path, listener: Listener | None = None) -> Told:
        """The run, from what its folder holds."""
        with UnsyncedJournal.reopened(folder, listener) as journal:
            return self._carry_through(journal, folder)

    def audit(self, folder: Path, scratch: Path, audit: Audit) -> bool:
        """Hold the run of that folder against itself, done once more; whether it came to its end."""
        scratch.mkdir()
        with AuditedJournal.opened(folder, audit) as journal:
            try:
                self._carried(journal, scratch, _Unasked(), AuditedEvaluator)
            except RecordingOver:
                return False
        return journal.is_whole

    def replay(self, folder: Path, scratch: Path, policy: Policy) -> RunResult:
        """Go through the run of that folder once more, by a policy of one's own."""
        scratch.mkdir()
        with UnsyncedJournal.reopened(folder, None, policy) as journal:
            return self._carried(journal, scratch, _Client(self.outside, 0))

    def _carry_through(self, journal: Journal, folder: Path) -> Told:
        answered = [event for event in journal.recording if event.kind in ("reply", "model_error")]
        client = _Client(self.outside, len(answered))
        result = self._carried(journal, folder, client)
        counting = [line.event for line in history(read_lines(folder))]
        lost = [event for event in counting if event.kind == "retry" and event.data["error"] == "ReplyLost"]
        told = [
            event for event in counting if event.kind not in ("resumed", *SURROUNDINGS) and event not in lost
        ]
        files = folder / "files"
        return Told(
            result,
            client.made,
            {
                path.relative_to(files).as_posix(): path.read_bytes()
                for path in files.rglob("*")
                if path.is_file()
            },
            tuple((event.kind, _comparable(event.data)) for event in told),
            len(lost),
        )

    def _carried(
        self,
        journal: Journal,
        folder: Path,
        client: Processor,
        taped: type[TapedEvaluator] = TapedEvaluator,
    ) -> RunResult:
        self._monkeypatch.setattr(run_module, "start_processor", lambda *_: client)
        self._monkeypatch.setattr(run_module, "start_sandbox", _memory_sandbox)
        self._monkeypatch.setattr(run_module, "gather_lock", lambda *_: lock())
        return carry_through(_in_folder(self.order, folder), journal, taped)


class UnsyncedJournal(Journal):
    """What these processes lose is cut off by hand."""

    def sync(self) -> None:
        """The page cache outlives a process."""

    def sync_events(self) -> None:
        """Here too."""


def _memory_sandbox(
    config: RunConfig,
    checks: object,
    run_id: str,
    image_id: str,
    journal: Journal,
    stack: ExitStack,
    suites: Any = (),
    files: Mapping[str, bytes] | None = None,
    cache: Path | None = None,
    shared: Shared | None = None,
    taped: type[TapedEvaluator] = TapedEvaluator,
) -> RunSandbox:
    keeper = MemoryKeeper()
    for path, content in (files or {}).items():
        keeper.write(path, content)
    store = FileStore(keeper)
    boxes = MemoryBoxes(keeper)
    evaluator = taped(
        journal, boxes, CHECKS, suites=suites, overlay_digest=store.overlay_digest, most_at_once=2
    )
    # Only a keeper that dies makes a run ask for more of its sandbox.
    return RunSandbox(
        Workspace(store, evaluator, StoreMap(evaluator, store)), cast(Sandbox, SimpleNamespace(engine=None))
    )


def random_order(seed: int, **config: Any) -> tuple[RunOrder, Callable[[Request], Reply]]:
    """A run and its model, made from the seed alone."""
    dice = random.Random(seed)
    protocols = dice.choice(
        (["fenced"], ["native", "fenced"], ["json", "fenced"], ["native", "json", "fenced"])
    )
    nature = Nature(
        sound=dice.choice((0.6, 0.8, 0.97)),
        slips=dice.choice((0.0, 0.3)),
        failures=dice.choice((0.0, 0.0, 0.01)),
        miscounts=False,
    )
    context_tokens = dice.choice((3000, 8000, 16_000))
    server = StrictProcessor(RandomModel(dice, nature).answer, context_tokens=context_tokens)
    profile = {
        "name": "random",
        "protocols": protocols,
        "context_tokens": context_tokens,
        "reply_tokens": 500,
        "summary_tokens": 100,
        "candidates": dice.choice((1, 1, 3)),
        "edits": dice.choice((["whole"], ["whole", "replace"], ["whole", "replace", "patch"])),
        "seed": 1,
        "server": {"base_url": "http://127.0.0.1:9/v1", "model": "random"},
    }
    machine = {
        "program_tries": dice.randint(1, 3),
        "turns": dice.randint(3, 8),
        "attempts": dice.randint(1, 2),
        "summaries": dice.random() < 0.8,
    }
    order = RunOrder(
        task=Task("Write a counter, with tests.", "counter"),
        config=RunConfig.model_validate({"machine": machine, "most_instructions": 3, **config}),
        profile=ModelProfile.model_validate(profile),
        checks=CHECKS,
        image_id=f"sha256:{'0' * 64}",
        folder=Path("set later"),
        acceptance=dice.choice((None, {"test_suite.py": b"def test_a(): ...\n"})),
        machine=dice.choice((MachineKind.CONTROL_UNIT, MachineKind.CONTROL_UNIT, MachineKind.LOOP)),
        start=dice.choice(
            (None, None, Start("old", {"a.py": b"A = 0\n", "test_a.py": b"def test_a(): ...\n"}))
        ),
    )
    return order, server.ask


def crashes(folder: Path, random_cuts: int, seed: int) -> Iterator[Crash]:
    """Every event boundary of a finished run, with its contents as they were; then cuts at random bytes."""
    lines = list(read_lines(folder))
    sizes = [0]
    for line in lines:
        sizes.append(sizes[-1] + len(line.encoded()))
    for number in range(1, len(lines)):
        yield Crash(sizes[number], lines[number - 1].pack_bytes)
    dice = random.Random(seed)
    for _ in range(random_cuts):
        cut = dice.randrange(sizes[1], sizes[-1])
        number = next(number for number, size in enumerate(sizes) if size > cut) - 1
        # Contents of the event that was being written may stand there already, whole or not.
        yield Crash(cut, dice.randint(lines[number - 1].pack_bytes, lines[number].pack_bytes))


def synced_pack_bytes(lines: list[Line]) -> int:
    """Of contents that a power cut cannot take any more."""
    synced = [line.pack_bytes for line in lines if line.event.kind in ("reply", "run_closed")]
    return synced[-1] if synced else 0


def left_by(folder: Path, crash: Crash, place: Path) -> Path:
    """A folder as the process would have left it; with files of an unfinished delivery, at the worst."""
    place.mkdir()
    for name, size_bytes in ((JOURNAL_NAME, crash.journal_bytes), (PACK_NAME, crash.pack_bytes)):
        shutil.copyfile(folder / name, place / name)
        with (place / name).open("r+b") as file:
            file.truncate(size_bytes)
    (place / "files").mkdir()
    (place / "files" / "half.py").write_bytes(b"A")
    return place


def _in_folder(order: RunOrder, folder: Path) -> RunOrder:
    from dataclasses import replace

    return replace(order, folder=folder)


def _comparable(data: Any) -> Any:
    match data:
        case dict():
            return {key: _comparable(value) for key, value in data.items() if key not in ("seconds", "after")}
        case list():
            return [_comparable(value) for value in data]
        case _:
            return data
