"""The evaluator: judges one digest of the store, each check in a box of the grade that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import groupby
from typing import Literal, Protocol, TypeVar

from lmac.checks import AcceptanceCheck, AcceptanceForm, Check, CommandCheck
from lmac.errand import Errand, Grip
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, Finding, Report, Verdict
from lmac.floor import upon_floor
from lmac_sandbox import Ending, EngineFailure, Job, JobResult, Reuse, Snapshot, WireError

T = TypeVar("T")

JAVASCRIPT = (".js", ".mjs", ".cjs")
TRIES = 2
"""Only a failure of the sandbox itself is retried, once and in another box."""


class BoxBroken(SandboxFailure):
    """Boxes broke, again and again, at the same work."""


class EvaluationBox(Protocol):
    """What the evaluator needs of a box; `lmac_sandbox.Box` is one."""

    def snapshot(self) -> Snapshot: ...
    def place(self, files: Mapping[str, bytes], into: Literal["subject", "suite", "judge"]) -> None: ...
    def run(self, job: Job) -> JobResult: ...
    def close(self) -> None: ...


class BoxSource(Protocol):
    """Where boxes come from; `lmac_sandbox.Pool` and `lmac_sandbox.WarmBox` are two."""

    @property
    def reuse(self) -> Reuse:
        """The grade of its boxes."""
        ...

    def take(self) -> AbstractContextManager[EvaluationBox]: ...


class JobListener(Protocol):
    """Told of every job that came to an end, in order, on the thread that asked for the evaluation."""

    def __call__(self, name: str, store_digest: str, result: JobResult) -> None: ...


class Evaluator:
    """Runs checks in boxes. Source: L2MAC, Algorithm 1, line 5, and section 3.3.

    Args:
        boxes: Single-use ones, for whatever executes generated code.
        tools: For checks that do not; None for the same ones.
        tests: For the checks that do, where a run chose another grade for them; None for `boxes`.
        listener: Of the raw results, by the name of the check or program.
    """

    def __init__(
        self,
        boxes: BoxSource,
        checks: tuple[Check, ...],
        tools: BoxSource | None = None,
        tests: BoxSource | None = None,
        listener: JobListener | None = None,
    ) -> None:
        self._boxes = boxes
        self._listener = listener
        self._tools = tools or boxes
        self._tests = tests or boxes
        self._checks = checks
        self._floor: Report | None = None

    def evaluate(self, store_digest: str) -> Report:
        """Judge the store, which must be at `store_digest`.

        Tools and tests work side by side, in grade `run` once the gates are open; the report is the same as
        if the checks came one after the other. Of work that is broken off, every job that had ended is told.

        Raises:
            SandboxError: no box comes up.
            SandboxFailure: the store is not at that digest.
        """
        ended: dict[str, JobResult] = {}
        try:
            results = self._in_order(self._all_results(store_digest, ended))
        except BaseException:
            for check in self._checks:
                self._tell(check.name, store_digest, ended.get(check.name))
            raise
        for result in results:
            self._tell(result.check, store_digest, ended.get(result.check))
        return upon_floor(self._floor, Report(store_digest, results))

    def demand_whole(self, whole: bool) -> bool:
        """Say whether what only the end of a program brings, such as the last chapter, has to be there.

        Returns whether that changes what a report says.
        """
        before = self._checks
        self._checks = tuple(
            replace(check, is_at_end=whole)
            if isinstance(check, CommandCheck) and check.definition.rules.at_end
            else check
            for check in before
        )
        return self._checks != before

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

        def run(box: EvaluationBox) -> JobResult:
            box.place(suite, check.place)
            return box.run(check.job())

        try:
            job = _in_box(self._boxes, store_digest, run, Grip())
        except BoxBroken as error:
            return Report(store_digest, (_broken(check.name, error),))
        self._tell(check.name, store_digest, job)
        return Report(store_digest, (check.judge(job),))

    def run_program(self, store_digest: str, path: str, arguments: tuple[str, ...]) -> JobResult:
        """Run one program of the store: JavaScript by its file's name, else Python.

        Raises:
            BoxBroken: two boxes in a row broke while it ran.
            SandboxError, SandboxFailure: as `evaluate`.
        """
        runs = ("/usr/bin/node",) if path.endswith(JAVASCRIPT) else ("/usr/bin/python3", "-B")
        job = Job((*runs, path, *arguments))
        result = _in_box(self._boxes, store_digest, lambda box: box.run(job), Grip())
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
        result = _in_box(self._tools, store_digest, lambda box: box.run(job), Grip())
        self._tell(program, store_digest, result)
        return result

    def _tell(self, name: str, store_digest: str, result: JobResult | None) -> None:
        if self._listener is not None and result is not None:
            self._listener(name, store_digest, result)

    def _source(self, check: Check) -> BoxSource:
        return self._tools if check.reuse is Reuse.RUN else self._tests

    def _all_results(self, store_digest: str, ended: dict[str, JobResult]) -> dict[str, CheckResult]:
        tools = tuple(check for check in self._checks if self._source(check) is self._tools)
        tests = tuple(check for check in self._checks if self._source(check) is not self._tools)
        # A box that is to serve again would be lost with tests that a closed gate calls off.
        first = _up_to_the_last_gate(tools) if self._tests.reuse is Reuse.RUN else ()
        results = self._results(store_digest, first, Grip(), ended)
        if any(_closes_the_gate(check, results) for check in first):
            return results
        with Errand(lambda grip: self._results(store_digest, tests, grip, ended)) as errand:
            results |= self._results(store_digest, tools[len(first) :], Grip(), ended)
            if tests and not self._is_closed_before(tests[0], results):
                results |= errand.result()
        return results

    def _results(
        self, store_digest: str, checks: tuple[Check, ...], grip: Grip, ended: dict[str, JobResult]
    ) -> dict[str, CheckResult]:
        """Results by the check's name of checks of one source, up to the first that closes the gate.

        Args:
            ended: Gets each job's result by the check's name, before it is judged.
        """
        if not checks:
            return {}
        source = self._source(checks[0])
        results: dict[str, CheckResult] = {}
        for group in _groups(checks):
            results |= self._group_results(source, store_digest, group, grip, ended)
            if any(_closes_the_gate(check, results) for check in group):
                break
        return results

    def _group_results(
        self,
        source: BoxSource,
        store_digest: str,
        checks: Sequence[Check],
        grip: Grip,
        ended: dict[str, JobResult],
    ) -> dict[str, CheckResult]:
        """As `_results`, over one copy of the store."""

        def judged(box: EvaluationBox) -> dict[str, CheckResult]:
            results: dict[str, CheckResult] = {}
            for check in checks:
                ended[check.name] = box.run(check.job())
                results[check.name] = replace(check.judge(ended[check.name]), reuse=source.reuse)
                if _closes_the_gate(check, results):
                    break
            return results

        try:
            return _in_box(source, store_digest, judged, grip)
        except BoxBroken as error:
            return {check.name: replace(_broken(check.name, error), reuse=source.reuse) for check in checks}

    def _is_closed_before(self, check: Check, results: Mapping[str, CheckResult]) -> bool:
        return any(_closes_the_gate(before, results) for before in self._checks[: self._checks.index(check)])

    def _in_order(self, results: Mapping[str, CheckResult]) -> tuple[CheckResult, ...]:
        """What checks one after the other would have given."""
        return tuple(
            results[check.name] for check in self._checks if not self._is_closed_before(check, results)
        )


def _up_to_the_last_gate(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    last = max((number for number, check in enumerate(checks, 1) if check.gates), default=0)
    return checks[:last]


def _groups(checks: Sequence[Check]) -> Iterator[Sequence[Check]]:
    """Checks, in order, that may look at the same copy of the store: one that executes code is alone with it.

    What such a check leaves of the copy is no longer what its digest says.
    """
    for shares, group in groupby(checks, lambda check: check.reuse is Reuse.RUN):
        if shares:
            yield tuple(group)
        else:
            yield from ((check,) for check in group)


def _closes_the_gate(check: Check, results: Mapping[str, CheckResult]) -> bool:
    return check.gates and check.name in results and results[check.name].verdict is not Verdict.PASSED


def _in_box(source: BoxSource, store_digest: str, work: Callable[[EvaluationBox], T], grip: Grip) -> T:
    tries_left = TRIES
    while True:
        tries_left -= 1
        # Boxes that do not come up are the engine's fault and end the run; one that breaks at work may
        # have been broken by what it ran.
        with source.take() as box, grip.on(box):
            try:
                _demand_digest(box.snapshot(), store_digest)
                return work(box)
            except (EngineFailure, WireError) as error:
                # A box that serves again would do so in a state that nobody knows.
                box.close()
                grip.demand_wanted()
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
