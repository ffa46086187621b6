"""An evaluator whose verdicts and answers come from the journal as far as it goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lmac import dependencies
from lmac.checks import AcceptanceForm, Check
from lmac.evaluation import Report, journalled, read_check_result
from lmac.evaluation.due import ALL_DUE, Due
from lmac.evaluator import BoxBroken, BoxSource, Evaluator
from lmac.journal import BlobMissing, Effect, Event, Journal
from lmac_sandbox import Ending, JobResult, Output, Overlay

R = TypeVar("R")

JOB = "job"
BROKEN = "box_broken"
CANDIDATES = "candidate_reports"
COURSE = (JOB, *dependencies.KINDS)
"""Kinds of events that tell how an evaluation went."""


class TapedEvaluator(Evaluator):
    """Its reports are journalled by whoever asks for them; answers of programs by itself."""

    def __init__(
        self,
        journal: Journal,
        boxes: BoxSource,
        checks: tuple[Check, ...],
        tools: BoxSource | None = None,
        tests: BoxSource | None = None,
        **options: Any,
    ) -> None:
        super().__init__(boxes, checks, tools, tests, self._note, **options)
        self._journal = journal
        self._asked = ""

    def evaluate(self, store_digest: str, overlay: Overlay | None = None, *, due: Due = ALL_DUE) -> Report:
        told = self._told_of_old("report", "floor", store_digest=store_digest) if overlay is None else None
        return told or super().evaluate(store_digest, overlay, due=due)

    def evaluate_candidates(
        self, store_digest: str, overlays: Sequence[Overlay], *, due: Due = ALL_DUE
    ) -> tuple[Report, ...]:
        asked = {"judged_from": store_digest, "overlays": [_digest(_named(overlay)) for overlay in overlays]}
        reports = self._candidates_of_old(asked)
        if reports is None:
            reports = super().evaluate_candidates(store_digest, overlays, due=due)
        kept = [self._journal.keep(json.dumps(journalled(report))) for report in reports]
        self._journal.append(CANDIDATES, **asked, reports=kept)
        return reports

    def accept(
        self,
        store_digest: str,
        suite: Mapping[str, bytes],
        form: AcceptanceForm = AcceptanceForm.API,
        wall_seconds: float | None = None,
    ) -> Report:
        told = self._told_of_old("acceptance", store_digest=store_digest)
        return told or super().accept(store_digest, suite, form, wall_seconds)

    def run_program(self, store_digest: str, path: str, arguments: tuple[str, ...]) -> JobResult:
        self._asked = _digest([path, *arguments])
        try:
            known = self._answer_of_old(path, store_digest)
            return known or super().run_program(store_digest, path, arguments)
        except BoxBroken as error:
            raise self._broken(path, store_digest, error) from error
        finally:
            self._asked = ""

    def run_tool(
        self, store_digest: str, program: str, arguments: tuple[str, ...], wall_seconds: float
    ) -> JobResult:
        self._asked = _digest([program, *arguments])
        try:
            known = self._answer_of_old(program, store_digest)
            return known or super().run_tool(store_digest, program, arguments, wall_seconds)
        except BoxBroken as error:
            raise self._broken(program, store_digest, error) from error
        finally:
            self._asked = ""

    def _told_of_old(self, *kinds: str, **asked: object) -> Report | None:
        event = self._journal.recorded(Effect.CHECKS, *kinds, past=COURSE, **asked)
        return None if event is None else self._read(lambda: _report(event.data, self._journal.read))

    def _candidates_of_old(self, asked: Mapping[str, object]) -> tuple[Report, ...] | None:
        event = self._journal.recorded(Effect.CHECKS, CANDIDATES, past=COURSE, **asked)
        if event is None:
            return None
        read = self._journal.read
        return self._read(
            lambda: tuple(_report(json.loads(read(kept)), read) for kept in event.data["reports"])
        )

    def _read(self, reader: Callable[[], R]) -> R | None:
        """What a recorded event tells, if all that it names is there; the recording ends before it else."""
        try:
            return reader()
        except BlobMissing:
            self._journal.cut()
            return None

    def _answer_of_old(self, name: str, store_digest: str) -> JobResult | None:
        asked = {"name": name, "store_digest": store_digest, "asked": self._asked}
        event = self._journal.recorded(Effect.TOOLS, JOB, BROKEN, past=dependencies.KINDS, **asked)
        if event is None:
            return None
        if event.kind == BROKEN:
            raise BoxBroken(event.data["text"], event.data["next_step"])
        result = self._read(lambda: _job_result(event, self._journal))
        if result is not None:
            self._journal.skip()
        return result

    def _broken(self, name: str, store_digest: str, error: BoxBroken) -> BoxBroken:
        said = {"text": error.message, "next_step": error.next_step}
        self._journal.append(BROKEN, name=name, store_digest=store_digest, asked=self._asked, **said)
        return error

    def _note(self, name: str, store_digest: str, result: JobResult) -> None:
        journal_job(self._journal, name, store_digest, result, self._asked)


def journal_job(journal: Journal, name: str, store_digest: str, result: JobResult, asked: str = "") -> None:
    """Keep the raw bytes of a job's streams; what is shown of them elsewhere is cut and cleaned.

    `streams` names, of each that is not empty, the sha256 of its head and, where it was cut, of its tail.

    Args:
        asked: The digest of what a program was given, where its answer is one for the run.
    """
    outputs = {"stdout": result.stdout, "stderr": result.stderr, "subject": result.subject_output}
    streams = {
        stream: {
            "sha256": [journal.keep(part) for part in (output.head, output.tail) if part],
            "total_bytes": output.total_bytes,
        }
        for stream, output in outputs.items()
        if output is not None and output.total_bytes
    }
    answer = {"asked": asked, "user_ids": list(result.user_ids)} if asked else {}
    journal.append(
        JOB,
        name=name,
        store_digest=store_digest,
        **answer,
        ending=result.ending,
        exit_code=result.exit_code,
        signal=result.signal,
        seconds=result.seconds,
        leftover_processes=result.leftover_processes,
        streams=streams,
    )


def _job_result(event: Event, journal: Journal) -> JobResult:
    """What a program answered."""
    data = event.data

    def output(stream: str) -> Output:
        kept = data["streams"].get(stream)
        if kept is None:
            return Output(b"", b"", 0)
        head, *tail = (journal.read(digest) for digest in kept["sha256"])
        return Output(head, b"".join(tail), kept["total_bytes"])

    return JobResult(
        ending=Ending(data["ending"]),
        exit_code=data["exit_code"],
        signal=data["signal"],
        stdout=output("stdout"),
        stderr=output("stderr"),
        events=(),
        seconds=data["seconds"],
        leftover_processes=data["leftover_processes"],
        user_ids=tuple(data["user_ids"]),
    )


def _report(data: Mapping[str, Any], read: Callable[[str], bytes]) -> Report:
    results = (read_check_result(fields, read) for fields in data["results"])
    return Report(data["store_digest"], tuple(results))


def _named(overlay: Overlay) -> dict[str, str | None]:
    return {
        path: None if content is None else hashlib.sha256(content).hexdigest()
        for path, content in overlay.items()
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
