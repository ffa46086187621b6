"""Results of jobs as boxes give them, made by hand: for tests of what reads them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from lmac_sandbox import Ending, JobResult, Output, Reading

Event = Mapping[str, Any]


def output(text: str) -> Output:
    """A stream of which nothing was cut."""
    return Output(text.encode(), b"", len(text.encode()))


def job_result(
    stdout: str = "",
    *,
    stderr: str = "",
    ending: Ending = Ending.EXITED,
    exit_code: int | None = 0,
    events: tuple[Event, ...] = (),
    reading: Reading | None = None,
    subject_output: str | None = None,
) -> JobResult:
    """A result; the exit code counts for EXITED only, as in a real one.

    Args:
        reading: None: the files promise what the events tell of.
    """
    return JobResult(
        ending=ending,
        exit_code=exit_code if ending is Ending.EXITED else None,
        signal=11 if ending is Ending.SIGNALLED else None,
        stdout=output(stdout),
        stderr=output(stderr),
        events=events,
        seconds=0.1,
        leftover_processes=0,
        reading=reading_of(*events) if reading is None else reading,
        subject_output=None if subject_output is None else output(subject_output),
    )


def wrapped(files: Any, *runs: dict[str, Any]) -> JobResult:
    """The answer of `matching`."""
    plain = {"path": "", "exit_code": 0, "stdout": "", "stderr": "", "cut": False}
    return job_result(json.dumps({"files": files, "runs": [plain | run for run in runs]}))


def ran(stdout: str = "", exit_code: int = 0, stderr: str = "") -> JobResult:
    """The answer of `matching` on one run."""
    return wrapped(1, {"stdout": text64(stdout), "exit_code": exit_code, "stderr": text64(stderr)})


def text64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def reading_of(*events: Event) -> Reading:
    """The reading of files that promise just the tests of these events."""
    return Reading(tuple(event["id"] for event in events if event["kind"] == "test"))


def of_test(identity: str, outcome: str = "passed", text: str = "") -> Event:
    """The event of one test."""
    return {"kind": "test", "id": identity, "outcome": outcome, "seconds": 0.1, "text": text}


def collected(*identities: str) -> Event:
    """The event of what was collected."""
    return {"kind": "collected", "ids": list(identities)}


def finished(exit_code: int = 0) -> Event:
    """The last event."""
    return {"kind": "finished", "exit_code": exit_code}
