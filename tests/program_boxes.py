"""Boxes without isolation that run our own programs truly, over a store in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from job_results import job_result
from lmac_sandbox import Job, JobResult, Overlay, Reuse, Snapshot
from memory_keeper import MemoryKeeper

_RUN = (
    "import os, sys; from lmac_sandbox.inside.programs import run_program; "
    "run_program(sys.argv[1], tuple(sys.argv[2:]), '.', dict(os.environ))"
)


class ProgramBoxes:
    """Gives boxes that copy the store truly; a job of ours runs, any other has the given result."""

    reuse = Reuse.RUN

    def __init__(self, keeper: MemoryKeeper, otherwise: JobResult | None = None) -> None:
        self.jobs: list[Job] = []
        self._keeper = keeper
        self._otherwise = otherwise or job_result()

    @contextmanager
    def take(self) -> Iterator[ProgramBoxes]:
        yield self

    def snapshot(self, overlay: Overlay | None = None) -> Snapshot:
        return Snapshot(self._keeper.digest(), len(self._keeper.files))

    def place(self, files: Mapping[str, bytes], into: Literal["subject", "suite", "judge"]) -> None:
        raise AssertionError("no tool places files")

    def close(self) -> None:
        raise AssertionError("none of these boxes breaks")

    def run(self, job: Job) -> JobResult:
        self.jobs.append(job)
        if not job.program:
            return self._otherwise
        with tempfile.TemporaryDirectory() as folder:
            for path, content in self._keeper.files.items():
                place = Path(folder, path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            done = subprocess.run(
                [sys.executable, "-c", _RUN, job.program, *job.argv],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                check=False,
                timeout=60,
            )
        return job_result(done.stdout.decode(), stderr=done.stderr.decode(), exit_code=done.returncode)
