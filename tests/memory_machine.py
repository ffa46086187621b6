"""A whole machine without a container engine: a store in memory, and boxes that judge by reading.

A test file's tests are its `def test_...` lines. They fail while any other file holds the word BUG, and none
runs while a file holds the word BROKEN. A suite of the user's holds one test, of a.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from job_results import collected, finished, job_result, of_test
from lmac.briefing import Setting
from lmac.budget import Budget, BudgetLimits
from lmac.checks import NOT_THERE, Check, StandingSuite
from lmac.control_unit import ControlUnit, Machine, Splitter
from lmac.conversation import Conversation
from lmac.evaluation import CheckResult, Finding, JudgedTest, PromisedTest, Verdict
from lmac.evaluation.standing_tests import Weakened
from lmac.evaluator import Evaluator
from lmac.file_store import FileStore
from lmac.journal import Journal
from lmac.messages import Sampling
from lmac.processor import Processor
from lmac.processor.actions import ActionProtocol
from lmac.processor.fenced import FencedProtocol
from lmac.program import ProgramForm, Task
from lmac.prompts import shipped_prompts
from lmac.store_map import StoreMap
from lmac.tools import Workspace
from lmac.transitions import MachineLimits
from lmac_sandbox import Ending, Job, JobResult, Overlay, Reuse, Snapshot, store_digest
from memory_keeper import MemoryKeeper

_TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)


class MemoryBox:
    """A copy of the store's files as they were when it was taken."""

    def __init__(self, keeper: MemoryKeeper) -> None:
        self._keeper = keeper
        self.files: dict[str, bytes] = {}

    def snapshot(self, overlay: Overlay | None = None) -> Snapshot:
        self.files = dict(self._keeper.files)
        digest = store_digest(self.files)
        for path, content in (overlay or {}).items():
            if content is None:
                self.files.pop(path, None)
            else:
                self.files[path] = content
        return Snapshot(digest, len(self.files), store_digest(self.files) if overlay else None)

    def place(self, files: Mapping[str, bytes], into: Literal["subject", "suite", "judge"]) -> None:
        """The suite's one test is known."""

    def run(self, job: Job) -> JobResult:
        texts = {path: content.decode("utf-8", "replace") for path, content in self.files.items()}
        if job.program:
            return job_result("no program of ours runs in memory")
        if job.judged_form:
            return _told_by_the_suite(texts)
        match job.argv[0]:
            case "gate":
                return job_result(json.dumps([path for path, text in texts.items() if "BROKEN" in text]))
            case "tests":
                return job_result(json.dumps(_outcomes(texts)))
            case _:
                return job_result(f"ran {job.argv[2]}")

    def close(self) -> None:
        """Nothing is held."""


def _outcomes(texts: Mapping[str, str]) -> dict[str, bool]:
    works = not any("BUG" in text for path, text in texts.items() if not _is_test(path))
    tests = {path: text for path, text in texts.items() if _is_test(path)}
    return {f"{path}::{name}": works for path, text in tests.items() for name in _TEST.findall(text)}


def _told_by_the_suite(texts: Mapping[str, str]) -> JobResult:
    text = ""
    if "a.py" not in texts:
        text = f"{NOT_THERE}there is no module a"
    elif "BUG" in texts["a.py"] or "BROKEN" in texts["a.py"]:
        text = "a(1) gave 3, the task says 2"
    test = of_test("test_suite.py::test_a", "failed" if text else "passed", text)
    answered = {"kind": "answered", "comparisons": 0}
    events = (collected("test_suite.py::test_a"), test, answered, finished(1 if text else 0))
    return job_result(exit_code=1 if text else 0, events=events)


def _is_test(path: str) -> bool:
    return path.rpartition("/")[2].startswith("test_")


class MemoryBoxes:
    """A source of such boxes.

    Args:
        disturb: Called before each box is given; what it raises is how the sandbox fails.
    """

    reuse = Reuse.SINGLE_USE

    def __init__(self, keeper: MemoryKeeper, disturb: Callable[[], None] = lambda: None) -> None:
        self._keeper = keeper
        self._disturb = disturb
        self.taken = 0

    @contextmanager
    def take(self) -> Iterator[MemoryBox]:
        self._disturb()
        self.taken += 1
        yield MemoryBox(self._keeper)


@dataclass(frozen=True, slots=True)
class ReadingCheck:
    """The gate, or the tests."""

    name: str
    gates: bool = False
    reuse: Reuse = Reuse.SINGLE_USE

    def job(self) -> Job:
        return Job((self.name,))

    def judge(self, result: JobResult) -> CheckResult:
        found = json.loads(result.stdout.head)
        if self.gates:
            findings = tuple(Finding(path, "does not compile") for path in found)
            return CheckResult(self.name, _verdict(len(findings), 1), Ending.EXITED, findings)
        tests = tuple(JudgedTest(test, "passed" if ok else "failed", 0.1) for test, ok in found.items())
        failed = tuple(Finding(test.id, "it does not work") for test in tests if test.outcome == "failed")
        return CheckResult(
            self.name,
            _verdict(len(failed), len(tests)),
            Ending.EXITED,
            failed,
            passed_count=len(tests) - len(failed),
            failed_count=len(failed),
            counts_tests=True,
            tests=tests,
            promised=tuple(PromisedTest(test, 1) for test in found),
        )


def _verdict(failed: int, judged: int) -> Verdict:
    if failed:
        return Verdict.FAILED
    return Verdict.PASSED if judged else Verdict.NOTHING_TO_JUDGE


CHECKS: tuple[Check, ...] = (ReadingCheck("gate", gates=True), ReadingCheck("tests"))


class UnsyncedJournal(Journal):
    """Thousands of runs need not survive a power cut; how often they would wait for the disk is counted."""

    syncs = 0

    def sync(self) -> None:
        self.syncs += 2

    def sync_events(self) -> None:
        self.syncs += 1


@dataclass(frozen=True, slots=True)
class MemoryMachine:
    """A control unit with all that it stands on."""

    unit: ControlUnit
    setting: Setting
    conversation: Conversation
    protocol: ActionProtocol
    workspace: Workspace
    keeper: MemoryKeeper
    boxes: MemoryBoxes


def memory_machine(
    processor: Processor,
    journal: Journal,
    *,
    limits: MachineLimits | None = None,
    budget: BudgetLimits | None = None,
    protocol: ActionProtocol | None = None,
    program_form: ProgramForm = ProgramForm.NUMBERED,
    disturb: Callable[[], None] = lambda: None,
    weakened: Weakened | None = None,
    split: Splitter | None = None,
    lower: Sequence[ActionProtocol] = (),
    suites: tuple[StandingSuite, ...] = (),
    **setting: Any,
) -> MemoryMachine:
    """A machine before its first call."""
    keeper = MemoryKeeper()
    boxes = MemoryBoxes(keeper, disturb)
    store = FileStore(keeper)
    evaluator = Evaluator(boxes, CHECKS, suites=suites, overlay_digest=store.overlay_digest, most_at_once=2)
    workspace = Workspace(store, evaluator, StoreMap(evaluator, store))
    spoken = protocol or FencedProtocol()
    plain = Setting(
        task=Task("Write a counter, with tests.", "counter"),
        prompts=shipped_prompts("codebase"),
        limits=limits or MachineLimits(),
        most_instructions=3,
        context_tokens=8000,
        sampling=Sampling(0.0, 500, seed=1),
        program_form=program_form,
    )
    made = replace(plain, **setting)
    conversation = Conversation(processor, spoken, journal, Budget(budget or BudgetLimits()))
    machine = Machine(made, conversation, spoken, workspace, journal, lower, weakened, split)
    return MemoryMachine(ControlUnit(machine), made, conversation, spoken, workspace, keeper, boxes)


@contextmanager
def unsynced(folder: Path) -> Iterator[UnsyncedJournal]:
    """A journal in that folder."""
    with UnsyncedJournal(folder) as journal:
        yield journal
