"""The evaluator: judges one digest of the store in a box that serves no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeVar

from lmac.checks import AcceptanceCheck, AcceptanceForm, Check
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, Finding, Report, Verdict
from lmac_sandbox import Ending, EngineFailure, Job, JobResult, Snapshot, WireError

T = TypeVar("T")

TRIES = 2
"""Only a failure of the sandbox itself is retried, once and in another box."""


class BoxBroken(SandboxFailure):
    """Boxes broke, again and again, at the same work."""


class EvaluationBox(Protocol):
    """What the evaluator needs of a box; `lmac_sandbox.Box` is one."""

    def snapshot(self) -> Snapshot: ...
    def place(self, files: Mapping[str, bytes], into: Literal["subject", "suite", "judge"]) -> None: ...
    def run(self, job: Job) -> JobResult: ...


class BoxSource(Protocol):
    """Where boxes come from; `lmac_sandbox.Pool` is one."""

    def take(self) -> AbstractContextManager[EvaluationBox]: ...


class Evaluator:
    """Runs checks in single-use boxes. Source: L2MAC, Algorithm 1, line 5, and section 3.3."""

    def __init__(self, boxes: BoxSource, checks: tuple[Check, ...]) -> None:
        self._boxes = boxes
        self._checks = checks

    def evaluate(self, store_digest: str) -> Report:
        """Judge the store, which must be at `store_digest`.

        Raises:
            SandboxError: no box comes up.
            SandboxFailure: the store is not at that digest.
        """
        try:
            results = self._in_box(store_digest, self._all_checks)
        except BoxBroken as error:
            results = (_broken("sandbox", error),)
        return Report(store_digest, results)

    def accept(
        self,
        store_digest: str,
        suite: Mapping[str, bytes],
        form: AcceptanceForm = AcceptanceForm.API,
        wall_seconds: float | None = None,
    ) -> Report:
        """Judge the store by a suite of the user's, in a fresh box.

        Args:
            suite: Relative path to content.

        Raises:
            SandboxError, SandboxFailure: as `evaluate`.
        """
        check = AcceptanceCheck(form, wall_seconds)

        def judged(box: EvaluationBox) -> CheckResult:
            box.place(suite, check.place)
            return check.judge(box.run(check.job()))

        try:
            result = self._in_box(store_digest, judged)
        except BoxBroken as error:
            result = _broken(check.name, error)
        return Report(store_digest, (result,))

    def run_program(self, store_digest: str, path: str, arguments: tuple[str, ...]) -> JobResult:
        """Run one Python program of the store.

        Raises:
            BoxBroken: two boxes in a row broke while it ran.
            SandboxError, SandboxFailure: as `evaluate`.
        """
        job = Job(("/usr/bin/python3", "-B", path, *arguments))
        return self._in_box(store_digest, lambda box: box.run(job))

    def _all_checks(self, box: EvaluationBox) -> tuple[CheckResult, ...]:
        results: list[CheckResult] = []
        for check in self._checks:
            results.append(check.judge(box.run(check.job())))
            if check.gates and results[-1].verdict is not Verdict.PASSED:
                break
        return tuple(results)

    def _in_box(self, store_digest: str, work: Callable[[EvaluationBox], T]) -> T:
        tries_left = TRIES
        while True:
            tries_left -= 1
            # Boxes that do not come up are the engine's fault and end the run; one that breaks at work may
            # have been broken by what it ran.
            with self._boxes.take() as box:
                try:
                    _demand_digest(box.snapshot(), store_digest)
                    return work(box)
                except (EngineFailure, WireError) as error:
                    if not tries_left:
                        raise BoxBroken(error.message, error.next_step) from error


def _broken(check: str, error: BoxBroken) -> CheckResult:
    finding = Finding("", f"{TRIES} boxes in a row broke on these files: {error.message}")
    return CheckResult(check, Verdict.BROKEN_OFF, Ending.INFRASTRUCTURE_FAILURE, (finding,))


def _demand_digest(snapshot: Snapshot, store_digest: str) -> None:
    if snapshot.store_digest != store_digest:
        raise SandboxFailure(
            f"a box copied store {snapshot.store_digest[:12]}, the keeper holds {store_digest[:12]}",
            "this is a fault of LMAC: please report it with the run's journal",
        )
