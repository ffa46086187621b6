"""The evaluator: judges one digest of the store, each check in a box of the grade that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Protocol

from lmac.checks import AcceptanceCheck, AcceptanceForm, Check, CommandCheck, StandingSuite, TestCheck
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, Finding, Report, Verdict
from lmac.evaluation.due import ALL_DUE, Due, of_what_is_due
from lmac.evaluation.floor import upon_floor
from lmac.evaluator.errand import Grip
from lmac.evaluator.judging import (
    BoxBroken,
    BoxSource,
    EvaluationBox,
    Judging,
    Sources,
    Subject,
    broken,
    in_box,
)
from lmac_sandbox import Ending, Job, JobResult, Overlay, SandboxError, StoreError

__all__ = ["CANDIDATE", "BoxBroken", "BoxSource", "EvaluationBox", "Evaluator", "JobListener"]

CANDIDATE = "candidate"
"""The name under which a report holds that a candidate could not be judged at all."""
JAVASCRIPT = (".js", ".mjs", ".cjs")


class JobListener(Protocol):
    """Told of every job that came to an end, in order, on the thread that asked for the evaluation."""

    def __call__(self, name: str, store_digest: str, result: JobResult) -> None: ...


class Preparation(Protocol):
    """What has to be so before anything of the store is executed; `lmac.dependencies.Dependencies` is one."""

    def prepared(self) -> tuple[CheckResult, ...]:
        """Make boxes ready for the store as it is; what there is to say of that stands in the report."""
        ...

    def of_candidate(self, overlay: Overlay) -> tuple[CheckResult, ...]:
        """The same of changes that nobody has written, for which nothing is made ready."""
        ...


class Evaluator:
    """Runs checks in boxes. Source: L2MAC, Algorithm 1, line 5, and section 3.3.

    Args:
        boxes: Single-use ones, for whatever executes generated code.
        tools: For checks that do not; None for the same ones.
        tests: For the checks that do, where a run chose another grade for them; None for `boxes`.
        listener: Of the raw results, by the name of the check or program.
        suites: Of the user's, judged with every evaluation after the checks.
        overlay_digest: Asks the store's keeper what its digest would be; None where nothing is tried.
        most_at_once: Candidates that are judged side by side.
        preparation: Comes before every job over the files; None where there is nothing to prepare.
    """

    def __init__(
        self,
        boxes: BoxSource,
        checks: tuple[Check, ...],
        tools: BoxSource | None = None,
        tests: BoxSource | None = None,
        listener: JobListener | None = None,
        suites: tuple[StandingSuite, ...] = (),
        overlay_digest: Callable[[Overlay], str] | None = None,
        most_at_once: int = 1,
        preparation: Preparation | None = None,
    ) -> None:
        self._boxes = boxes
        self._preparation = preparation
        self._listener = listener
        self._sources = Sources(boxes, tools or boxes, tests or boxes)
        self._checks = checks
        self._suites = suites
        self._overlay_digest = overlay_digest
        self._most_at_once = most_at_once
        self._floor: Report | None = None

    def evaluate(self, store_digest: str, overlay: Overlay | None = None, *, due: Due = ALL_DUE) -> Report:
        """Judge the store, which must be at `store_digest`, with the overlay if one is given.

        Tools and tests work side by side, in grade `run` once the gates are open; the report is the same as
        if the checks came one after the other. Of work that is broken off, every job that had ended is told.

        Args:
            overlay: Changes that nobody has written; the report's digest is that of the store with them.
            due: What has to be there already.

        Raises:
            SandboxError: no box comes up, or the store would not take the overlay.
            SandboxFailure: the store is not at that digest.
        """
        said = self._prepared()
        judging = self._judging(self._subject(store_digest, overlay), self._sources, due)
        try:
            results = judging.results()
        except BaseException:
            self._tell_all(judging, [check.name for check in judging.checks])
            raise
        self._tell_all(judging, [result.check for result in results])
        report = of_what_is_due(due, Report(judging.subject.digest, (*said, *results)))
        return upon_floor(self._floor, report)

    def evaluate_candidates(
        self, store_digest: str, overlays: Sequence[Overlay], *, due: Due = ALL_DUE
    ) -> tuple[Report, ...]:
        """Judge each overlay by itself, over the store at `store_digest`, in boxes that nobody used.

        One that cannot be judged does not lose the others: its report says why, and is on no digest.

        Raises:
            SandboxError, SandboxFailure: none of them could be judged, for the engine's or the store's sake.
        """
        said = self._prepared()
        fresh = replace(self._sources, tests=self._boxes)
        executor = ThreadPoolExecutor(max(self._most_at_once, 1), "lmac-candidate")
        try:
            started = [
                executor.submit(copy_context().run, self._candidate, store_digest, overlay, fresh, due)
                for overlay in overlays
            ]
            tried = [_outcome(future) for future in started]
        finally:
            # Left early, their boxes end with the pool.
            executor.shutdown(wait=False, cancel_futures=True)
        failures = [one for one in tried if isinstance(one, SandboxError | SandboxFailure)]
        if failures and len(failures) == len(tried):
            raise failures[0]
        reports = [self._told(one) for one in tried]
        if self._preparation is not None:
            own = [self._preparation.of_candidate(overlay) or said for overlay in overlays]
            reports = [
                replace(report, results=(*first, *report.results))
                for first, report in zip(own, reports, strict=True)
            ]
        return tuple(upon_floor(self._floor, of_what_is_due(due, report)) for report in reports)

    @property
    def asks_more_of_the_whole(self) -> bool:
        """Whether a report on the same files can say more once all that the task asks for has to be there."""
        late = (check.definition.rules.at_end for check in self._checks if isinstance(check, CommandCheck))
        return bool(self._suites) or any(late)

    def hold(self, floor: Report) -> None:
        """From now on, tests that passed in this report have to pass in every other."""
        self._floor = floor

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
        self._prepared()

        def run(box: EvaluationBox) -> JobResult:
            box.place(suite, check.place)
            return box.run(check.job())

        try:
            job = in_box(self._boxes, Subject(store_digest), run, Grip())
        except BoxBroken as error:
            return Report(store_digest, (broken(check.name, error),))
        self._tell(check.name, store_digest, job)
        return Report(store_digest, (check.judge(job),))

    def run_program(self, store_digest: str, path: str, arguments: tuple[str, ...]) -> JobResult:
        """Run one program of the store: JavaScript by its file's name, else Python.

        Raises:
            BoxBroken: two boxes in a row broke while it ran.
            SandboxError, SandboxFailure: as `evaluate`.
        """
        self._prepared()
        runs = ("/usr/bin/node",) if path.endswith(JAVASCRIPT) else ("/usr/bin/python3", "-B")
        job = Job((*runs, path, *arguments))
        result = in_box(self._boxes, Subject(store_digest), lambda box: box.run(job), Grip())
        self._tell(path, store_digest, result)
        return result

    def run_tool(
        self, store_digest: str, program: str, arguments: tuple[str, ...], wall_seconds: float
    ) -> JobResult:
        """Run one of our own programs over the store; it executes nothing of it.

        Raises:
            BoxBroken: two boxes in a row broke while it ran.
            SandboxError, SandboxFailure: as `evaluate`.
        """
        job = Job.own(program, arguments, wall_seconds)
        result = in_box(self._sources.tools, Subject(store_digest), lambda box: box.run(job), Grip())
        self._tell(program, store_digest, result)
        return result

    def _prepared(self) -> tuple[CheckResult, ...]:
        return self._preparation.prepared() if self._preparation is not None else ()

    def _subject(self, store_digest: str, overlay: Overlay | None) -> Subject:
        if not overlay:
            return Subject(store_digest)
        if self._overlay_digest is None:
            raise SandboxFailure(
                "this evaluator knows no keeper that could reckon an overlay's digest",
                "give the evaluator the store's `overlay_digest`",
            )
        return Subject(store_digest, overlay, self._overlay_digest(overlay))

    def _judging(self, subject: Subject, sources: Sources, due: Due) -> Judging:
        checks = tuple(_for_now(check, due) for check in self._checks)
        suites = tuple(suite.asked_for(due.whole) for suite in self._suites)
        return Judging(subject, (*checks, *suites), sources)

    def _candidate(self, store_digest: str, overlay: Overlay, sources: Sources, due: Due) -> _Judged:
        judging = self._judging(self._subject(store_digest, overlay), sources, due)
        return judging, judging.results()

    def _told(self, tried: _Judged | SandboxError | SandboxFailure) -> Report:
        """Tell what a candidate's jobs gave, on the asking thread."""
        if isinstance(tried, SandboxError | SandboxFailure):
            ending = Ending.REJECTED if isinstance(tried, StoreError) else Ending.INFRASTRUCTURE_FAILURE
            finding = Finding("", f"it could not be judged: {tried.message}")
            return Report("", (CheckResult(CANDIDATE, Verdict.BROKEN_OFF, ending, (finding,)),))
        judging, results = tried
        self._tell_all(judging, [result.check for result in results])
        return Report(judging.subject.digest, results)

    def _tell_all(self, judging: Judging, names: Sequence[str]) -> None:
        for name in names:
            self._tell(name, judging.subject.digest, judging.ended.get(name))

    def _tell(self, name: str, store_digest: str, result: JobResult | None) -> None:
        if self._listener is not None and result is not None:
            self._listener(name, store_digest, result)


def _for_now(check: Check, due: Due) -> Check:
    match check:
        case CommandCheck():
            return replace(check, is_at_end=due.whole)
        case TestCheck():
            return replace(check, required=check.required and due.tests)
        case _:
            return check


_Judged = tuple[Judging, tuple[CheckResult, ...]]


def _outcome(future: Future[_Judged]) -> _Judged | SandboxError | SandboxFailure:
    try:
        return future.result()
    except (SandboxError, SandboxFailure) as error:
        return error
