"""Whole runs, as a user starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.boxes import own_memory_bytes
from bench.figures import Measured, figure
from bench.image import with_downloads
from bench.stage import CHECKOUT, MODULE, TESTS
from scripted_runs import DONE, write_profile, wrote
from scripted_server import Says, ScriptedServer

MEGABYTE = 1e6
POLL_SECONDS = 0.02
MOST_SECONDS = 120.0
LMAC = str(Path(sys.executable).with_name("lmac"))
SMALL_MODEL = "smollm2-135m"


@figure("MB", at_most=500)
def host_memory_mb() -> Measured:
    """The peak of `lmac run` itself, in a run whose replies are scripted."""
    script = [
        Says("1. Write counter.py with a class Counter, and tests. (files: counter.py, test_counter.py)"),
        wrote({"counter.py": MODULE, "test_counter.py": TESTS}),
        DONE,
        DONE,
    ]
    with tempfile.TemporaryDirectory() as folder, ScriptedServer(script) as server:
        profile = write_profile(Path(folder), server.base_url)
        command = [LMAC, "run", "Write a counter, with tests."]
        command += ["-k", f"model={profile}", "-k", f"runs_folder={folder}/runs"]
        return Measured(_peak_bytes(command) / MEGABYTE, _bare_interpreter())


@figure("MB", at_most=500)
def image_build_memory_mb() -> Measured:
    """The peak of `lmac images build` with every package downloaded, the hungriest of the other commands."""
    with tempfile.TemporaryDirectory() as folder:
        with_downloads(Path(folder) / "images")
        return Measured(
            _peak_bytes([LMAC, "images", "build"], LMAC_CACHE=folder) / MEGABYTE, _bare_interpreter()
        )


@figure("s", at_most=10)
def first_model_call_seconds() -> Measured:
    """From `make run`, everything cached, to its first request; of the small embedded model."""
    with tempfile.TemporaryDirectory() as folder:
        _first_call_seconds(Path(folder), "warm")
        return Measured(_first_call_seconds(Path(folder), "timed"), f"with {SMALL_MODEL}, make included")


def _first_call_seconds(runs: Path, run_id: str) -> float:
    started = time.perf_counter()
    with _made_run(runs, run_id) as make:
        while not _asked(runs / run_id / "journal.jsonl"):
            assert make.poll() is None, "the run ended before its first request"
            assert time.perf_counter() - started < MOST_SECONDS, "no request came"
            time.sleep(POLL_SECONDS)
        return time.perf_counter() - started


@contextmanager
def _made_run(runs: Path, run_id: str) -> Iterator[subprocess.Popen[bytes]]:
    """`make run`, interrupted as by Ctrl-C at the end and waited for."""
    command = ["make", "--no-print-directory", "run", f"MODEL={SMALL_MODEL}"]
    command.append(f"ARGS=--id {run_id} -k runs_folder={runs}")
    quiet = subprocess.DEVNULL
    make = subprocess.Popen(command, cwd=CHECKOUT, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield make
    finally:
        if make.poll() is None:
            os.killpg(make.pid, signal.SIGINT)
        make.wait(MOST_SECONDS)


def _asked(journal: Path) -> bool:
    if not journal.exists():
        return False
    whole_lines = journal.read_bytes().rpartition(b"\n")[0].splitlines()
    return any(json.loads(line)["kind"] == "request" for line in whole_lines)


def _bare_interpreter() -> str:
    peak = _peak_bytes([sys.executable, "-c", "import time; time.sleep(0.2)"])
    return f"bare interpreter {peak / MEGABYTE:.0f} MB"


def _peak_bytes(command: list[str], **environment: str) -> int:
    """The largest resident memory of a program that ends well, the interpreter's own included."""
    peak = 0
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        while process.poll() is None:
            # The kernel keeps the peak; the last reading before the end is what counts.
            peak = max(peak, own_memory_bytes("VmHWM", process.pid))
            time.sleep(POLL_SECONDS)
        said = process.stdout.read() if process.stdout else b""
    assert process.returncode == 0, said.decode(errors="replace")
    return peak
