"""An evaluator that gives what was recorded, and executes it again to compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lmac.checks import AcceptanceForm, Check
from lmac.errors import SandboxFailure
from lmac.evaluation import Report
from lmac.evaluation.due import ALL_DUE, Due
from lmac.evaluator import BoxBroken, BoxSource, Evaluator
from lmac.journal import Event, Journal
from lmac.recording.audit import What
from lmac.recording.audited_journal import AuditedJournal
from lmac.recording.parts import Parts, parts_of_answer, parts_of_reports
from lmac.recording.taped_evaluator import TapedEvaluator
from lmac_sandbox import Ending, JobResult, Overlay


class AuditedEvaluator(TapedEvaluator):
    """What it returns is what the run went on with, so that one verdict that differs leaves the next ones
    comparable."""

    def __init__(
        self,
        journal: Journal,
        boxes: BoxSource,
        checks: tuple[Check, ...],
        tools: BoxSource | None = None,
        tests: BoxSource | None = None,
        **options: Any,
    ) -> None:
        super().__init__(journal, boxes, checks, tools, tests, **options)
        assert isinstance(journal, AuditedJournal), "only a recording can be audited"
        self._audited = journal
        self._again = Evaluator(boxes, checks, tools, tests, **options)

    def evaluate(self, store_digest: str, overlay: Overlay | None = None, *, due: Due = ALL_DUE) -> Report:
        recorded = super().evaluate(store_digest, overlay, due=due)
        self._compare((recorded,), lambda: (self._again.evaluate(store_digest, overlay, due=due),))
        return recorded

    def evaluate_candidates(
        self, store_digest: str, overlays: Sequence[Overlay], *, due: Due = ALL_DUE
    ) -> tuple[Report, ...]:
        recorded = super().evaluate_candidates(store_digest, overlays, due=due)
        self._compare(recorded, lambda: self._again.evaluate_candidates(store_digest, overlays, due=due))
        return recorded

    def accept(
        self,
        store_digest: str,
        suite: Mapping[str, bytes],
        form: AcceptanceForm = AcceptanceForm.API,
        wall_seconds: float | None = None,
    ) -> Report:
        recorded = super().accept(store_digest, suite, form, wall_seconds)
        self._compare((recorded,), lambda: (self._again.accept(store_digest, suite, form, wall_seconds),))
        return recorded

    def hold(self, floor: Report) -> None:
        super().hold(floor)
        self._again.hold(floor)

    def run_program(self, store_digest: str, path: str, arguments: tuple[str, ...]) -> JobResult:
        recorded = super().run_program(store_digest, path, arguments)
        self._compare_answer(path, recorded, lambda: self._again.run_program(store_digest, path, arguments))
        return recorded

    def run_tool(
        self, store_digest: str, program: str, arguments: tuple[str, ...], wall_seconds: float
    ) -> JobResult:
        recorded = super().run_tool(store_digest, program, arguments, wall_seconds)
        self._compare_answer(
            program,
            recorded,
            lambda: self._again.run_tool(store_digest, program, arguments, wall_seconds),
        )
        return recorded

    def _compare(self, recorded: tuple[Report, ...], execute: Callable[[], tuple[Report, ...]]) -> None:
        audit, event = self._audited.audit, self._audited.found
        if any(map(_is_broken, recorded)):
            # A failure of the machine that it ran on says nothing of the run, and does not come again.
            return

        def executed() -> Parts:
            with audit.boxes():
                reports = execute()
            if any(map(_is_broken, reports)):
                raise _not_executed(event)
            return parts_of_reports(reports)

        audit.verdicts += sum(len(report.results) for report in recorded)
        audit.compare(event.seq, event.kind, What.VERDICT, parts_of_reports(recorded), executed)

    def _compare_answer(self, program: str, recorded: JobResult, execute: Callable[[], JobResult]) -> None:
        audit, event = self._audited.audit, self._audited.found

        def executed() -> Parts:
            try:
                with audit.boxes():
                    return parts_of_answer(program, execute())
            except BoxBroken as error:
                raise _not_executed(event) from error

        audit.answers += 1
        audit.compare(event.seq, event.kind, What.ANSWER, parts_of_answer(program, recorded), executed)


def _not_executed(event: Event) -> SandboxFailure:
    return SandboxFailure(
        f"event {event.seq} ({event.kind}): boxes broke while it was executed again",
        "run `lmac doctor`, then replay once more",
    )


def _is_broken(report: Report) -> bool:
    return any(result.ending is Ending.INFRASTRUCTURE_FAILURE for result in report.results)
