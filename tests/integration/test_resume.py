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

from command_line import LMAC, Shell
from json_schema import line_faults
from lmac.journal import JOURNAL_NAME, journal_schema, read_journal
from lmac.report.verifying import verify_run
from lmac_sandbox import Engine
from lmac_sandbox.images import build_image, load_image
from lmac_sandbox.volume import remove_volume
from own_engine import own_engine
from sandbox_fixtures import CACHE, IMAGES
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

pytestmark = [pytest.mark.engine, pytest.mark.slow]

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
def begun(folder: Path, image_id: str, hangs_at: int | None, **settings: object) -> Iterator[Begun]:
    """A run of the script.

    Args:
        settings: Further keys of its config.
    """
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
            **settings,
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


def test_a_run_whose_engine_was_killed_goes_on_when_there_is_one_again(
    tmp_path: Path, engine: Engine
) -> None:
    archive = build_image(IMAGES / "python", CACHE, engine).archive_path
    with own_engine() as own:
        with Engine.connect(own.url) as connected:
            image_id = load_image(connected, archive)
        with begun(tmp_path, image_id, hangs_at=None, engine_url=own.url) as run:
            run.model.while_asked[2] = lambda: own.send(signal.SIGKILL)
            run.process.communicate(timeout=100)
            failed = report_of(run.folder)
            run.model.while_asked.clear()
            own.start()
            report = run.resumed()
        with Engine.connect(own.url) as connected:
            left = leftovers(connected, run.folder.name)

    assert (run.process.returncode, failed["outcome"]) == (5, "sandbox failed")
    assert report["outcome"] == "completed"
    assert delivered(run.folder) == GREEN_FILES
    assert len(run.server.requests) == report["calls"] == len(SCRIPT)
    assert left == 0


FULL = """
mount -t tmpfs -o size=$0k tmpfs runs
"$@"
echo $? >code
mount -o remount,size=16m runs
"$1" resume full || exit
cp -r runs/full kept
"""
"""A run on a disk that is too small, then resumed on a larger one, in a mount namespace of its own."""


@pytest.mark.parametrize("size_kib", [16, 40])
def test_a_run_whose_disk_was_full_goes_on_when_there_is_room(
    tmp_path: Path, image_id: str, engine: Engine, size_kib: int
) -> None:
    (tmp_path / "runs").mkdir()
    shell, model = Shell(tmp_path), Model(SCRIPT)
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    with ScriptedServer(model) as server:
        profile = write_profile(tmp_path, server.base_url)
        settings = {"model": str(profile), "image": image_id, "box": SMALL_BOX}
        (tmp_path / "config.yaml").write_text(json.dumps({**settings, "machine": {"requirement_tries": 0}}))
        command = [str(LMAC), "run", "Write doubling.py with double().", "-c", "config.yaml", "--id", "full"]
        done = subprocess.run(
            ["unshare", "--mount", *as_root, "sh", "-c", FULL, str(size_kib), *command],
            cwd=tmp_path,
            env=shell.environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    assert done.returncode == 0, done.stderr
    kept = tmp_path / "kept"
    lost = [event for event in events(kept, "retry") if event.data["error"] == "ReplyLost"]

    assert (tmp_path / "code").read_text() == "5\n"
    assert "no space left for runs" in done.stderr
    assert delivered(kept) == GREEN_FILES
    assert report_of(kept)["outcome"] == "completed"
    # At most the reply for which there was no room was asked for once more.
    assert len(lost) <= 1
    assert len(server.requests) == report_of(kept)["calls"] == len(SCRIPT) + len(lost)
    assert leftovers(engine, "full") == 0


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
