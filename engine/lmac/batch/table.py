"""What came of a batch, as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from lmac.batch.executor import BatchResult
from lmac.batch.halt import Reason
from lmac.batch.job import Job
from lmac.batch.records import RUNS_NAME, JobRecord
from lmac.printable import printable

HEADINGS = ("job", "outcome", "checks", "acceptance", "tokens", "cost", "seconds", "folder")
_RIGHT = frozenset({"tokens", "cost", "seconds"})
MOST_ERRORS = 10


def render_result(result: BatchResult) -> str:
    """A line for each job in the batch's order, then the sums, then what went wrong and what to do next."""
    rows = [_row(job, result) for job in result.batch.jobs]
    kept = list(result.records.values())
    cost = sum(record.cost or 0.0 for record in kept)
    sums = (
        f"{len(kept)} of {len(rows)} jobs came to their end, {_fine(kept)} of them fine",
        f"{sum(record.tokens for record in kept):,} tokens",
        *([f"cost {cost:.4g}"] if any(record.cost is not None for record in kept) else []),
        f"exit code {int(result.exit_code)}; all of it in {result.folder}",
    )
    return "\n".join([render_rows(HEADINGS, rows), "", "; ".join(sums), *_errors(result), *_next(result)])


def render_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as what stands in them; numbers to the right."""
    lines = [headings, *(tuple(map(printable, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if heading in _RIGHT else cell.ljust(width)
            for heading, cell, width in zip(headings, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _row(job: Job, result: BatchResult) -> tuple[str, ...]:
    record = result.records.get(job.digest)
    broken_off = result.broken_off.get(job.digest)
    if record is not None and broken_off is None:
        return _cells(job, record, record.outcome)
    if broken_off is not None:
        return _cells(job, broken_off, f"{broken_off.outcome}, no result")
    return (job.id, "not finished" if result.halted else "not begun", "", "", "", "", "", "")


def _cells(job: Job, record: JobRecord, outcome: str) -> tuple[str, ...]:
    checks = "" if record.checks_passed is None else "passed" if record.checks_passed else "failed"
    accepted = ""
    if record.acceptance_total is not None:
        verdict = "passed" if record.accepted else "failed"
        accepted = f"{verdict} {record.acceptance_passed}/{record.acceptance_total}"
    cost = "" if record.cost is None else f"{record.cost:.4g}"
    folder = f"{RUNS_NAME}/{record.run}"
    return (job.id, outcome, checks, accepted, f"{record.tokens:,}", cost, f"{record.seconds:.0f}", folder)


def _fine(records: list[JobRecord]) -> int:
    return sum(record.exit_code == 0 for record in records)


def _errors(result: BatchResult) -> list[str]:
    """The last words of the first jobs that were broken off."""
    told = [
        f"{record.job}: {printable(record.error.splitlines()[-1] if record.error else record.outcome)}"
        + (f" (next: {printable(record.next_step)})" if record.next_step else "")
        for record in list(result.broken_off.values())[:MOST_ERRORS]
    ]
    more = len(result.broken_off) - MOST_ERRORS
    return told + ([f"and {more} more, in {result.folder}/failures.jsonl"] if more > 0 else [])


def _next(result: BatchResult) -> list[str]:
    open_jobs = len(result.batch.jobs) - len(result.records)
    failed = len(result.records) - _fine(list(result.records.values()))
    lines = [f"ended early: {result.halted.value}"] if result.halted else []
    match result.halted:
        case Reason.TOKENS | Reason.MONEY:
            lines.append(f"next: raise `budget` in {result.batch.file}; the same command goes on from here")
        case _ if open_jobs:
            lines.append(f"next: the same command goes on with the {open_jobs} that are not finished")
        case _ if failed:
            lines.append(f"next: `--retry` repeats the {failed} that failed; `lmac show` looks into a run")
        case _:
            pass
    return lines
