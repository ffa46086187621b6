"""Where rows of the table are carried out, and what must hold there after each of them."""

from __future__ import annotations

import resource
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from attack.probes import PROBES
from lmac.checks import Check, TestCheck
from lmac.config import RunConfig
from lmac.evaluation import CheckResult, Verdict
from lmac.evaluator import Evaluator
from lmac.inputs import load_checks
from lmac_sandbox import (
    Box,
    Ending,
    Engine,
    Job,
    JobResult,
    Keeper,
    Limits,
    Owner,
    Pool,
    Reuse,
    Volume,
    WarmBox,
)
from lmac_sandbox.limits import MIB

MARK = f"lmac-attack-{secrets.token_hex(8)}"
"""Name of every file that a row tries to put where it must never arrive: on the host, or in another box."""

SHIPPED: Mapping[str, Check] = {check.name: check for check in load_checks(RunConfig()).checks}
"""The checks of a run that configures none, by name."""

MAIN = "main.py"
"""The one file of the store between the rows."""

MOST_GROWTH_BYTES = 64 * MIB
"""Of this process in one row; the floods among them write without end."""
MOST_PING_SECONDS = 2.0

Files = Mapping[str, str | bytes]

_OTHERS = "import os; print(sorted(p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()))"
"""What else runs in a box, seen by a program in it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A store that no row may change for good, and boxes over it, all under the default policy."""

    engine: Engine
    image_id: str
    owner: Owner
    volume: Volume
    keeper: Keeper
    pool: Pool
    warm: WarmBox
    """Serves the programs that end by themselves, one after another."""
    scratch: Path
    """A folder on the host."""
    neighbour: Box
    """Works through every heavy row."""
    boxes: list[str] = field(default_factory=list)
    """Every container that a row has had."""

    def take(self) -> Box:
        """A box of its own for one row."""
        box = self.pool.take()
        self.boxes.append(box.container_id)
        return box

    @contextmanager
    def take_warm(self) -> Iterator[Box]:
        """The box that serves many rows; what a row leaves in it can be removed, or the row fails."""
        with self.warm.take() as box:
            self.boxes.append(box.container_id)
            box.snapshot()
            yield box
            box.snapshot()

    @contextmanager
    def holding(self, files: Files) -> Iterator[str]:
        """The store with these files too, and its digest."""
        contents = {path: _bytes(content) for path, content in files.items()}
        # They go again afterwards, and the file that every row finds must stay.
        assert MAIN not in contents
        digest = self.keeper.write_many(contents)
        try:
            yield digest
        finally:
            for path in contents:
                self.keeper.delete(path)

    def checked(self, check: Check, files: Files, before: tuple[Check, ...] = ()) -> CheckResult:
        """The verdict of one check on a store with these files, after others, by the evaluator itself."""
        with self.holding(files) as digest:
            return Evaluator(self._Boxes(self), (*before, check)).evaluate(digest).results[-1]

    def accepted(self, suite: Files, files: Files) -> CheckResult:
        """The verdict of a user's suite on a store with these files, in a process of another user."""
        placed = {path: _bytes(content) for path, content in suite.items()}
        with self.holding(files) as digest:
            return Evaluator(self._Boxes(self), ()).accept(digest, placed).results[-1]

    @contextmanager
    def neighbour_at_work(self) -> Iterator[None]:
        """Another box does its own work meanwhile, and does it right."""
        results: list[JobResult] = []
        work = Job(("python3", "-c", _WORK), wall_seconds=20.0)
        worker = threading.Thread(target=lambda: results.append(self.neighbour.run(work)))
        worker.start()
        try:
            yield
        finally:
            worker.join()
        said = [(result.ending, result.stdout.text()) for result in results]
        assert said == [(Ending.EXITED, "285 64 right\n")], results

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """The store, this process, the engine and the host's files are as before."""
        digest, peak_bytes = self.keeper.digest(), _peak_bytes()
        yield
        assert self.keeper.digest() == digest
        assert _peak_bytes() - peak_bytes < MOST_GROWTH_BYTES
        asked = time.monotonic()
        assert self.engine.containers(self.owner.labels("keeper"))
        assert time.monotonic() - asked < MOST_PING_SECONDS
        assert not [folder for folder in _HOST_FOLDERS if (folder / MARK).exists()]

    @dataclass(frozen=True, slots=True)
    class _Boxes:
        """The pool, as the evaluator asks it."""

        stage: Stage
        reuse = Reuse.SINGLE_USE

        def take(self) -> AbstractContextManager[Box]:
            return self.stage.take()


_HOST_FOLDERS = (*map(Path, ("/", "/tmp", "/var/tmp", "/dev/shm", "/etc", "/root", "/store", "/scratch")),)

_WORK = """\
import hashlib, multiprocessing, pathlib, tempfile, time
def square(n): return n * n
with multiprocessing.Pool(2) as pool: total = sum(pool.map(square, range(10)))
for _ in range(5):
    time.sleep(0.05)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, 'f')
        file.write_bytes(b'x' * 2**20)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
print(total, len(digest), 'right')
"""


Act = Callable[[Stage], None]


@dataclass(frozen=True, slots=True)
class Attack:
    """One row."""

    numbers: tuple[int, ...]
    """In the table of `sandbox/THREATS.md`."""
    name: str
    act: Act
    """Carries it out and asserts what stopped it."""
    heavy: bool = False
    """It uses up what it shares with others: a neighbour works meanwhile."""

    def __str__(self) -> str:
        return f"{','.join(map(str, self.numbers))}: {self.name}"


@dataclass(frozen=True, slots=True)
class Program:
    """A hostile program in a box of its own, or in one that is cleared after it."""

    source: str
    ending: Ending = Ending.EXITED
    exit_code: int = 0
    """Counts for EXITED."""
    told: tuple[str, ...] = ()
    """Lines of its output that show what stopped it."""
    wall_seconds: float | None = None
    seconds: float = 6.0
    """It must be over by then."""
    leftover: int = 0
    """At least so many processes had to be removed."""

    def __call__(self, stage: Stage) -> None:
        # What meets a limit of its box has one for itself; starting one takes longer than most rows do.
        with stage.take_warm() if self.ending is Ending.EXITED else stage.take() as box:
            box.place({"attack.py": self.source.encode(), "probes.py": PROBES.encode()}, "subject")
            started = time.monotonic()
            result = box.run(Job(("python3", "attack.py"), wall_seconds=self.wall_seconds))
            took_seconds = time.monotonic() - started
            shown = result.stdout.text() + result.stderr.text()

            assert result.ending is self.ending, shown[-2000:]
            assert result.ending is not Ending.EXITED or result.exit_code == self.exit_code, shown[-2000:]
            assert took_seconds < self.seconds
            assert set(self.told) <= set(shown.splitlines()), shown[-2000:]
            assert "ALLOWED" not in shown
            assert result.leftover_processes >= self.leftover
            assert_small(result)
            assert_nothing_runs(box)


@dataclass(frozen=True, slots=True)
class Checked:
    """Hostile files in the store, judged by a check as in a run."""

    files: Files
    verdict: Verdict | None = None
    """None: whatever is no pass, for a forgery that may be noticed in several ways."""
    ending: Ending | None = None
    """None: EXITED, but for a verdict of None."""
    named: tuple[str, ...] = ()
    """Words that stand in its findings."""
    check: Check = field(default_factory=TestCheck)
    seconds: float = 20.0

    def __call__(self, stage: Stage) -> None:
        started = time.monotonic()
        result = stage.checked(self.check, self.files)

        if self.verdict is None:
            assert result.verdict is not Verdict.PASSED, result
        else:
            assert (result.verdict, result.ending) == (self.verdict, self.ending or Ending.EXITED), result
        assert all(words in said(result) for words in self.named), result
        assert time.monotonic() - started < self.seconds


@dataclass(frozen=True, slots=True)
class ClaimedAtMost:
    """A store whose `answer()` is wrong and whose own session can be made to say what it likes.

    What that session says is a claim, and the user's suite, asking the same from a process of another user,
    is not taken in.
    """

    files: Files
    """With a `subject_code.py`."""
    told: str = "assert 41 == 42"
    """Stands in a finding of the user's suite."""

    def __call__(self, stage: Stage) -> None:
        said_by_itself = stage.checked(TestCheck(), self.files)
        accepted = stage.accepted({"test_it.py": ASKING}, self.files)

        assert said_by_itself.claimed
        assert (accepted.verdict, accepted.ending, accepted.claimed) == (Verdict.FAILED, Ending.EXITED, False)
        assert (accepted.passed_count, accepted.failed_count) == (0, 1), accepted
        assert self.told in said(accepted)


ASKING = "from subject_code import answer\ndef test_wrong(): assert answer() == 42\n"


def said(result: CheckResult) -> str:
    """All findings as one text."""
    return "\n".join(f"{finding.where}: {finding.text}" for finding in result.findings)


def assert_small(result: JobResult) -> None:
    """What came back is bounded, whatever was written."""
    kept_bytes = Limits().kept_bytes
    for output in (result.stdout, result.stderr):
        assert len(output.head) + len(output.tail) <= kept_bytes


def assert_nothing_runs(box: Box) -> None:
    """Only PID 1 and the program that looks."""
    assert box.run(Job(("python3", "-c", _OTHERS))).stdout.head == b"['1']\n"


def processes_of(containers: list[str]) -> list[str]:
    """Process ids on this host that belong to one of these containers."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            groups = (folder / "cgroup").read_text()
        except OSError:
            # It ended in between.
            continue
        found += [folder.name for container in containers if container in groups]
    return found


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
