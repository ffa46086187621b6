"""One evaluation under way: its checks in their boxes, side by side, told as if one came after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal, Protocol, TypeVar

from lmac.checks import Check, StandingSuite
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, Finding, Verdict
from lmac.evaluator.errand import Errand, Grip
from lmac_sandbox import Ending, EngineFailure, Job, JobResult, Overlay, Reuse, Snapshot, WireError

T = TypeVar("T")

TRIES = 2
"""Only a failure of the sandbox itself is retried, once and in another box."""


class BoxBroken(SandboxFailure):
    """Boxes broke, again and again, at the same work."""


class EvaluationBox(Protocol):
    """What the evaluator needs of a box; `lmac_sandbox.Box` is one."""

    def snapshot(self, overlay: Overlay | None = None) -> Snapshot: ...
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


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged."""

    store_digest: str
    overlay: Overlay | None = None
    overlay_digest: str | None = None
    """Of the store with the overlay, as its keeper reckons it."""

    @property
    def digest(self) -> str:
        """Of the files that jobs find."""
        return self.overlay_digest or self.store_digest


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the boxes of one evaluation come from."""

    fresh: BoxSource
    """Single-use ones."""
    tools: BoxSource
    """For checks that execute no generated code."""
    tests: BoxSource
    """For those that do."""


@dataclass(slots=True)
class Judging:
    """All checks over one subject."""

    subject: Subject
    checks: tuple[Check, ...]
    sources: Sources
    ended: dict[str, JobResult] = field(default_factory=dict)
    """Each job's result by the check's name, before it is judged."""

    def results(self) -> tuple[CheckResult, ...]:
        """What checks one after the other would have given.

        Raises:
            SandboxError: no box comes up.
            SandboxFailure: the store, or its copy with the overlay, is not at its digest.
        """
        results = self._all_results()
        told = (check for check in self.checks if not self._is_closed_before(check, results))
        return tuple(results[check.name] for check in told)

    def _source(self, check: Check) -> BoxSource:
        if check.reuse is Reuse.RUN:
            return self.sources.tools
        return self.sources.fresh if isinstance(check, StandingSuite) else self.sources.tests

    def _all_results(self) -> dict[str, CheckResult]:
        tools = tuple(check for check in self.checks if self._source(check) is self.sources.tools)
        tests = tuple(check for check in self.checks if self._source(check) is not self.sources.tools)
        # A box that is to serve again would be lost with tests that a closed gate calls off.
        first = _up_to_the_last_gate(tools) if self.sources.tests.reuse is Reuse.RUN else ()
        results = self._results(first, Grip())
        if any(_closes_the_gate(check, results) for check in first):
            return results
        with Errand(lambda grip: self._results(tests, grip)) as errand:
            results |= self._results(tools[len(first) :], Grip())
            if tests and not self._is_closed_before(tests[0], results):
                results |= errand.result()
        return results

    def _results(self, checks: tuple[Check, ...], grip: Grip) -> dict[str, CheckResult]:
        """Results by the check's name, up to the first that closes the gate."""
        results: dict[str, CheckResult] = {}
        for group in _groups(checks):
            results |= self._group_results(self._source(group[0]), group, grip)
            if any(_closes_the_gate(check, results) for check in group):
                break
        return results

    def _group_results(
        self, source: BoxSource, checks: Sequence[Check], grip: Grip
    ) -> dict[str, CheckResult]:
        """As `_results`, over one copy of the store."""

        def judged(box: EvaluationBox) -> dict[str, CheckResult]:
            results: dict[str, CheckResult] = {}
            for check in checks:
                if isinstance(check, StandingSuite):
                    box.place(check.files, check.place)
                self.ended[check.name] = box.run(check.job())
                results[check.name] = replace(check.judge(self.ended[check.name]), reuse=source.reuse)
                if _closes_the_gate(check, results):
                    break
            return results

        try:
            return in_box(source, self.subject, judged, grip)
        except BoxBroken as error:
            return {check.name: replace(broken(check.name, error), reuse=source.reuse) for check in checks}

    def _is_closed_before(self, check: Check, results: Mapping[str, CheckResult]) -> bool:
        return any(_closes_the_gate(before, results) for before in self.checks[: self.checks.index(check)])


def in_box(source: BoxSource, subject: Subject, work: Callable[[EvaluationBox], T], grip: Grip) -> T:
    """Do the work in a box with a copy of the subject.

    Raises:
        BoxBroken: two boxes in a row broke.
        SandboxError: no box comes up.
        SandboxFailure: the copy is not at the subject's digest.
    """
    tries_left = TRIES
    while True:
        tries_left -= 1
        # Boxes that do not come up are the engine's fault and end the run; one that breaks at work may
        # have been broken by what it ran.
        with source.take() as box, grip.on(box):
            try:
                _demand_digest(box.snapshot(subject.overlay) if subject.overlay else box.snapshot(), subject)
                return work(box)
            except (EngineFailure, WireError) as error:
                # A box that serves again would do so in a state that nobody knows.
                box.close()
                grip.demand_wanted()
                if not tries_left:
                    raise BoxBroken(error.message, error.next_step) from error


def broken(check: str, error: BoxBroken) -> CheckResult:
    """The result of a check at which boxes broke."""
    finding = Finding("", f"{TRIES} boxes in a row broke on these files: {error.message}")
    return CheckResult(check, Verdict.BROKEN_OFF, Ending.INFRASTRUCTURE_FAILURE, (finding,))


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


def _demand_digest(snapshot: Snapshot, subject: Subject) -> None:
    pairs = {
        "store": (snapshot.store_digest, subject.store_digest),
        "store with overlay": (snapshot.digest, subject.digest),
    }
    for what, (copied, held) in pairs.items():
        if copied != held:
            raise SandboxFailure(
                f"a box copied {what} {copied[:12]}, the keeper holds {held[:12]}",
                "this is a fault of LMAC: please report it with the run's journal",
            )
