"""Runs whose process, containers or both are killed for real, and `lmac resume` afterwards."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from command_line import Shell
from json_schema import line_faults
from lmac.journal import JOURNAL_NAME, journal_schema, read_journal
from lmac.report.verifying import verify_run
from lmac_sandbox import Engine
from lmac_sandbox.volume import remove_volume
from scripted_runs import (
    DONE,
    GREEN_FILES,
    ONE_STEP,
    RED_FILES,
    SMALL_BOX,
    delivered,
    events,
    leftovers,
    report_of,
    write_profile,
    wrote,
)
from scripted_server import Body, Hangs, Scripted, ScriptedServer

pytestmark = pytest.mark.engine

SCRIPT = (ONE_STEP, wrote(RED_FILES), wrote(GREEN_FILES), DONE)
SUITE = b"from doubling import double\n\n\ndef test_it() -> None:\n    assert double(2) == 4\n"


@dataclass(slots=True)
class Model:
    """Gives the same reply to whoever asks the same once more; hangs at one call until it is told not to."""

    script: Sequence[Scripted]
    hangs_at: int | None = None
    while_asked: dict[int, Callable[[], None]] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)

    def __call__(self, body: Body) -> Scripted:
        number = self.known.setdefault(json.dumps(body["messages"]), len(self.known))
        self.while_asked.get(number, lambda: None)()
        return Hangs() if number == self.hangs_at else self.script[number]


@dataclass(frozen=True, slots=True)
class Begun:
    """A run in a process group of its own."""

    shell: Shell
    server: ScriptedServer
    model: Model
    process: subprocess.Popen[str]
    folder: Path

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def resumed(self, *options: str, code: int = 0) -> dict[str, object]:
        """`lmac resume` to its end, and the report."""
        self.model.hangs_at = None
        ended = self.shell.lmac("resume", self.folder.name, *options)
        assert ended.code == code, ended.stderr
        schema = journal_schema()
        for line in verify_run(self.folder).lines:
            assert line_faults(line.encoded(), schema) == []
        return report_of(self.folder)


@contextmanager
def begun(folder: Path, image_id: str, hangs_at: int | None) -> Iterator[Begun]:
    """A run of the script."""
    shell, model = Shell(folder), Model(SCRIPT, hangs_at)
    name = f"resumed-{secrets.token_hex(4)}"
    (folder / "suite").mkdir()
    (folder / "suite" / "test_it.py").write_bytes(SUITE)
    with ScriptedServer(model) as server:
        profile = write_profile(folder, server.base_url)
        config = {
            "model": str(profile),
            "image": image_id,
            "box": SMALL_BOX,
            "machine": {"requirement_tries": 0},
        }
        (folder / "config.yaml").write_text(json.dumps(config))
        options = ("-c", "config.yaml", "--id", name, "--acceptance", "suite")
        process = shell.start("run", "Write doubling.py with double().", *options)
        try:
            yield Begun(shell, server, model, process, folder / "runs" / name)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


@pytest.mark.parametrize("call", range(len(SCRIPT)))
def test_a_run_that_was_killed_while_the_model_answered_goes_on_there(
    tmp_path: Path, image_id: str, engine: Engine, call: int
) -> None:
    with begun(tmp_path, image_id, hangs_at=call) as run:
        run.server.await_requests(call + 1)
        run.kill()
        # What the run needs lies in its folder.
        (tmp_path / "config.yaml").unlink()
        (tmp_path / "suite" / "test_it.py").unlink()
        report = run.resumed()

    assert report["outcome"] == "completed"
    assert delivered(run.folder) == GREEN_FILES
    assert report["acceptance"] is not None
    # The call that was under way was made again, and counts; no other was.
    assert len(run.server.requests) == report["calls"] == len(SCRIPT) + 1
    assert [event.data["error"] for event in events(run.folder, "retry")] == ["ReplyLost"]
    assert leftovers(engine, run.folder.name) == 0


def test_a_run_that_lost_its_containers_and_its_volume_goes_on_when_it_is_resumed(
    tmp_path: Path, image_id: str, engine: Engine
) -> None:
    with begun(tmp_path, image_id, hangs_at=None) as run:
        run.model.while_asked[2] = lambda: _remove_all(engine, run.folder.name)
        run.process.communicate(timeout=60)
        failed = report_of(run.folder)
        run.model.while_asked.clear()
        report = run.resumed()

    assert failed["outcome"] == "sandbox failed"
    assert report["outcome"] == "completed"
    assert delivered(run.folder) == GREEN_FILES
    assert [event.data["error"] for event in events(run.folder, "retry")].count("ReplyLost") == 0
    assert len(events(run.folder, "reply")) == len(SCRIPT)


def _remove_all(engine: Engine, run_id: str) -> None:
    labels = {"lmac.run": run_id}
    for container_id in engine.containers(labels):
        engine.remove_container(container_id)
    for name in engine.volumes(labels):
        remove_volume(engine, name)


def test_a_run_that_is_carried_out_is_refused_to_another_process(tmp_path: Path, image_id: str) -> None:
    with begun(tmp_path, image_id, hangs_at=1) as run:
        run.server.await_requests(2)
        run.shell.lmac("resume", run.folder.name).complained(2, "another process carries this run out")


def test_a_finished_run_is_left_as_it_is(tmp_path: Path, image_id: str) -> None:
    with begun(tmp_path, image_id, hangs_at=None) as run:
        run.process.communicate(timeout=60)
        before = (run.folder / JOURNAL_NAME).read_bytes()
        ended = run.shell.lmac("resume", run.folder.name)

    assert ended.code == 0
    assert "nothing was done" in ended.stdout
    assert (run.folder / JOURNAL_NAME).read_bytes() == before


def test_an_interrupted_run_goes_on_after_the_event_at_which_it_was(tmp_path: Path, image_id: str) -> None:
    with begun(tmp_path, image_id, hangs_at=2) as run:
        run.server.await_requests(3)
        os.killpg(run.process.pid, signal.SIGINT)
        run.process.communicate(timeout=30)
        assert report_of(run.folder)["outcome"] == "interrupted"
        report = run.resumed()
        found = list(read_journal(run.folder))

    assert report["outcome"] == "completed"
    assert delivered(run.folder) == GREEN_FILES
    (resumed,) = (event for event in found if event.kind == "resumed")
    assert next(event.kind for event in found if event.seq > resumed.data["after"]) == "stopped"


def test_a_changed_journal_is_named_and_nothing_is_done(tmp_path: Path, image_id: str) -> None:
    with begun(tmp_path, image_id, hangs_at=1) as run:
        run.server.await_requests(2)
        run.kill()
        journal = run.folder / JOURNAL_NAME
        changed = journal.read_bytes().replace(b"AskForProgram", b"AskForProgran")
        journal.write_bytes(changed)
        run.shell.lmac("resume", run.folder.name).complained(2, JOURNAL_NAME, "changed")

    assert journal.read_bytes() == changed
