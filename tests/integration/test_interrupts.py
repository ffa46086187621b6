"""Ctrl-C, SIGTERM and SIGKILL at several moments of a run: what is left, and what can be read of it."""

from __future__ import annotations

import json
import os
import pty
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from command_line import LMAC, Shell
from lmac.journal import Event, read_journal
from lmac.run import execute
from lmac.transitions import Outcome
from lmac_sandbox import Engine
from scripted_runs import (
    GREEN_FILES,
    MODULE,
    ONE_STEP,
    SMALL_BOX,
    delivered,
    leftovers,
    report_of,
    scripted_order,
    write_profile,
    wrote,
)
from scripted_server import Hangs, ScriptedServer

pytestmark = pytest.mark.engine

SLOW_TESTS = "import time\n\n\ndef test_it() -> None:\n    time.sleep(60)\n"


@dataclass(frozen=True, slots=True)
class Running:
    """A run in a process group of its own, whose second call of the model never ends."""

    shell: Shell
    server: ScriptedServer
    process: subprocess.Popen[str]
    folder: Path

    def await_kind(self, kind: str, what: str = "") -> None:
        """Return when the journal holds such an event."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if (self.folder / "journal.jsonl").exists():
                found = [event for event in read_journal(self.folder) if event.kind == kind]
                if any(event.data.get("what", "") == what for event in found):
                    return
            time.sleep(0.01)
        raise AssertionError(f"no {kind} {what} came")

    def end(self, *signals: signal.Signals, pause_seconds: float = 0.1) -> tuple[int, str]:
        """Send them to the whole group, as a terminal does; the exit code and stderr."""
        for number, sent in enumerate(signals):
            time.sleep(pause_seconds if number else 0)
            if self.process.poll() is None:
                os.killpg(self.process.pid, sent)
        _, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stderr


@contextmanager
def running(folder: Path, image_id: str, files: dict[str, str]) -> Iterator[Running]:
    """A run that writes these files; ended with its group in any case."""
    shell = Shell(folder)
    name = f"interrupted-{secrets.token_hex(4)}"
    with ScriptedServer([ONE_STEP, wrote(files), Hangs()]) as server:
        profile = write_profile(folder, server.base_url)
        config = {"model": str(profile), "image": image_id, "box": SMALL_BOX}
        (folder / "config.yaml").write_text(json.dumps(config))
        process = shell.start("run", "Write doubling.py.", "-c", "config.yaml", "--id", name)
        try:
            yield Running(shell, server, process, folder / "runs" / name)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def _starting(run: Running) -> None:
    run.await_kind("run_opened")


def _calling(run: Running) -> None:
    run.server.await_requests(3)


def _checking(run: Running) -> None:
    run.await_kind("decision", "Evaluate")
    time.sleep(0.5)


MOMENTS: dict[str, tuple[Callable[[Running], None], dict[str, str]]] = {
    "starting": (_starting, GREEN_FILES),
    "calling the model": (_calling, GREEN_FILES),
    "checking": (_checking, {"doubling.py": MODULE, "test_doubling.py": SLOW_TESTS}),
}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_run_leaves_no_container_its_files_and_a_readable_record(
    tmp_path: Path, image_id: str, engine: Engine, moment: str, sent: signal.Signals
) -> None:
    await_moment, files = MOMENTS[moment]
    with running(tmp_path, image_id, files) as run:
        await_moment(run)
        interrupted = time.monotonic()
        code, stderr = run.end(sent)

    assert code == 130
    assert "Traceback" not in stderr
    assert time.monotonic() - interrupted < 10
    assert leftovers(engine, run.folder.name) == 0
    assert [event.kind for event in read_journal(run.folder)][-1] == "run_closed"
    report = report_of(run.folder)
    assert (report["outcome"], report["exit_code"]) == ("interrupted", 130)
    if moment != "starting":
        assert delivered(run.folder) == files


def test_ctrl_c_while_the_first_event_is_told_still_closes_the_record(tmp_path: Path, image_id: str) -> None:
    def pressed_at_once(event: Event) -> None:
        if event.kind == "run_opened":
            raise KeyboardInterrupt

    with ScriptedServer([]) as server:
        order = scripted_order(tmp_path, server, image_id)
        result = execute(order, pressed_at_once)

    assert result.outcome is Outcome.INTERRUPTED
    assert [event.kind for event in read_journal(order.folder)] == ["run_opened", "stopped", "run_closed"]
    assert report_of(order.folder)["exit_code"] == 130


def test_pressing_ctrl_c_again_does_not_cut_the_cleaning_up_short(
    tmp_path: Path, image_id: str, engine: Engine
) -> None:
    with running(tmp_path, image_id, GREEN_FILES) as run:
        _calling(run)
        interrupted = time.monotonic()
        code, stderr = run.end(signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT)

    assert code == 130
    assert "Traceback" not in stderr
    assert time.monotonic() - interrupted < 8
    assert leftovers(engine, run.folder.name) == 0
    assert [event.kind for event in read_journal(run.folder)][-1] == "run_closed"


def test_a_closed_terminal_ends_a_run_as_ctrl_c_does(tmp_path: Path, image_id: str, engine: Engine) -> None:
    with running_in_a_terminal(tmp_path, image_id) as (run, close_terminal):
        _calling(run)
        close_terminal()
        code = run.process.wait(timeout=30)

    assert code == 130
    assert leftovers(engine, run.folder.name) == 0
    assert [event.kind for event in read_journal(run.folder)][-1] == "run_closed"
    assert report_of(run.folder)["outcome"] == "interrupted"
    assert delivered(run.folder) == GREEN_FILES


def test_a_run_under_nohup_outlives_its_terminal(tmp_path: Path, image_id: str) -> None:
    with running_in_a_terminal(tmp_path, image_id, "nohup") as (run, close_terminal):
        _calling(run)
        close_terminal()
        with pytest.raises(subprocess.TimeoutExpired):
            run.process.wait(timeout=1.5)
        run.process.terminate()
        assert run.process.wait(timeout=30) == 130


@contextmanager
def running_in_a_terminal(
    folder: Path, image_id: str, *through: str
) -> Iterator[tuple[Running, Callable[[], None]]]:
    """A run whose controlling terminal is one of its own; the second part closes that terminal."""
    shell = Shell(folder)
    name = f"closed-{secrets.token_hex(4)}"
    ours, theirs = pty.openpty()
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), Hangs()]) as server:
        profile = write_profile(folder, server.base_url)
        config = {"model": str(profile), "image": image_id, "box": SMALL_BOX}
        (folder / "config.yaml").write_text(json.dumps(config))
        lmac = [*through, str(LMAC), "run", "Write doubling.py.", "-c", "config.yaml", "--id", name]
        process = subprocess.Popen(
            ["setsid", "--ctty", *lmac],
            cwd=folder,
            env=shell.environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            encoding="utf-8",
        )
        os.close(theirs)
        try:
            yield Running(shell, server, process, folder / "runs" / name), lambda: os.close(ours)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def test_a_killed_run_leaves_no_container_and_clean_removes_its_volume(
    tmp_path: Path, image_id: str, engine: Engine
) -> None:
    with running(tmp_path, image_id, MOMENTS["checking"][1]) as run:
        _checking(run)
        assert leftovers(engine, run.folder.name) >= 3
        code, _ = run.end(signal.SIGKILL)
    gone_seconds = _await_no_container(engine, run.folder.name)
    shown = run.shell.lmac("show", run.folder.name, "--json")
    cleaned = run.shell.lmac("clean", "--json")

    assert code == -signal.SIGKILL
    # They go within half a second each; the rest is room for a busy machine.
    assert gone_seconds < 4
    assert json.loads(shown.stdout)["outcome"] == "unfinished"
    assert cleaned.code == 0
    assert leftovers(engine, run.folder.name) == 0


def _await_no_container(engine: Engine, run_id: str) -> float:
    """How long it took, in seconds."""
    started = time.monotonic()
    while engine.containers({"lmac.run": run_id}) and time.monotonic() - started < 20:
        time.sleep(0.02)
    return time.monotonic() - started
