"""A journal is followed while another process writes it, and let go of when run or process has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lmac.commands.following import QUIET_SECONDS, follow, is_written
from lmac.errors import ConfigError
from lmac.journal import Event
from recorded_run import RecordedRun

WRITER = """
import sys, time
from pathlib import Path
from recorded_run import RecordedRun
run = RecordedRun(Path(sys.argv[1]))
print("opened", flush=True)
run.window(0)
for number in range(3):
    time.sleep(0.05)
    run.ask(f"reply {number}")
if sys.argv[2] == "close":
    run.close()
print("written", flush=True)
time.sleep(60)
"""


def writer(folder: Path, ends: str) -> subprocess.Popen[str]:
    """A process that writes a run's journal and then stays."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), ends],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "opened\n"
    return process


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_what_another_process_writes_is_told_as_it_comes(tmp_path: Path) -> None:
    process = writer(tmp_path / "run", "close")
    try:
        events = list(follow(tmp_path / "run"))
    finally:
        process.kill()
        process.wait()

    assert [event.seq for event in events] == list(range(len(events)))
    assert kinds(events).count("reply") == 3
    assert kinds(events)[-1] == "run_closed"


def test_a_run_whose_process_was_killed_is_let_go_of(tmp_path: Path) -> None:
    process = writer(tmp_path / "run", "stay")
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 1:
            assert process.stdout is not None
            assert process.stdout.readline() == "written\n"
            process.send_signal(signal.SIGKILL)
            process.wait()

    events = list(follow(tmp_path / "run", sleep=wait))

    assert kinds(events)[-1] == "reply"
    assert sum(waited) >= QUIET_SECONDS


def test_a_run_at_work_is_known_by_its_lock(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run")
    assert is_written(run.folder)

    assert not is_written(run.leave())
    assert not is_written(tmp_path / "nothing")


def test_a_run_that_has_ended_is_told_whole_and_not_waited_for(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run")
    run.window(0)
    run.ask("a reply")
    waited: list[float] = []

    events = list(follow(run.close(), sleep=waited.append))

    assert kinds(events)[-1] == "run_closed"
    assert len(waited) == 1


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        list(follow(tmp_path))
