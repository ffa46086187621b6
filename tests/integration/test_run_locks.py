"""Real runs write their lock before anything is spent, and two runs of the same things have the same lock."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from lmac.commands.diff import diff_runs
from lmac.errors import ConfigError, RunCancelled
from lmac.journal import Event, Listener
from lmac.messages import Usage
from lmac.resuming import resume
from lmac.run import RunOrder, execute
from lmac.run_lock import LOCK_NAME, Drifted, RunLock, compare, gather_lock, parse_lock, recorded_lock
from lmac.shipped_images import image_folder
from lmac.transitions import Outcome
from lmac_sandbox import Engine, seccomp_digest
from scripted_runs import DONE, GREEN_FILES, ONE_STEP, events, scripted_order, wrote
from scripted_server import Body, Scripted, ScriptedServer

pytestmark = pytest.mark.engine


def test_the_lock_stands_before_the_first_call_and_learns_who_answered(tmp_path: Path, image_id: str) -> None:
    script = iter([ONE_STEP, wrote(GREEN_FILES), DONE])
    seen: list[RunLock] = []

    def answer(body: Body) -> Scripted:
        seen.append(parse_lock((order.folder / LOCK_NAME).read_text(), LOCK_NAME))
        return next(script)

    with ScriptedServer(answer) as server:
        server.tells["/v1/models"] = {"data": [{"id": "scripted", "owned_by": "us"}]}
        order = scripted_order(tmp_path, server, image_id)
        execute(order)

    lock = recorded_lock(order.folder)
    assert lock is not None
    assert lock.as_json() == (order.folder / LOCK_NAME).read_text()
    assert seen[0].server.answered == ()
    assert [(one.model, one.fingerprint) for one in lock.server.answered] == [("scripted", "")]
    assert lock.server.listed == {"id": "scripted", "owned_by": "us"}
    assert compare(seen[0], lock) == tuple(one for one in compare(seen[0], lock) if "server" in one.path)
    kinds = [event.kind for event in events(order.folder, "run_lock") + events(order.folder, "server_said")]
    assert kinds == ["run_lock", "server_said"]


def test_a_lock_names_image_packages_engine_policy_and_this_program(
    tmp_path: Path, image_id: str, engine: Engine
) -> None:
    with ScriptedServer([]) as server:
        order = scripted_order(tmp_path, server, image_id, acceptance={"test_a.py": b"def test_a(): ..."})
        lock = gather_lock(order, engine)
        again = gather_lock(order, engine)

    assert lock.as_json() == again.as_json()
    assert (lock.image.id, lock.image.name) == (image_id, "python")
    assert lock.image.layers
    assert all(layer.startswith("sha256:") for layer in lock.image.layers)
    assert lock.image.packages["wheel pytest"].sha256 in (image_folder("python") / "lock.yaml").read_text()
    assert len(lock.image.packages) > 20
    assert lock.engine.version
    assert lock.engine.kernel
    assert lock.engine.runc
    assert lock.policy.seccomp_sha256 == seccomp_digest()
    assert lock.policy.box["pids"] == order.config.box.pids
    assert lock.prompts.sha256 == order.prompts.digest
    assert {"opening", "language language"} <= lock.prompts.each.keys()
    assert list(lock.checks.each) == sorted(check.name for check in order.checks)
    assert lock.input.acceptance.keys() == {"test_a.py"}
    assert lock.config["machine"]["turns"] == order.config.machine.turns
    assert (lock.model.served, lock.model.seed) == ("scripted", 1)
    assert lock.lmac.python.startswith("3.")


def test_two_runs_with_the_same_replies_are_the_same(
    tmp_path: Path, image_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = GREEN_FILES | {"doubling.py": GREEN_FILES["doubling.py"].replace("größer", "kleiner")}
    scripts = [[ONE_STEP, wrote(files), DONE] for files in (GREEN_FILES, GREEN_FILES, wrong)]
    with ScriptedServer(chain.from_iterable(scripts)) as server:
        first = scripted_order(tmp_path, server, image_id)
        runs = [replace(first, folder=tmp_path / name) for name in ("a", "b", "c")]
        for order in runs:
            execute(order)

    assert diff_runs("a", "b", tmp_path, stat=False, as_json=False) == 0
    assert "the runs are the same; 2 files are alike" in capsys.readouterr().out
    assert diff_runs("a", "c", tmp_path, stat=False, as_json=False) == 1
    assert '+    """Twice the number: kleiner."""' in capsys.readouterr().out


def cancelled_at(kind: str, count: int) -> Listener:
    """Ends its run at the last of so many events of a kind."""
    seen = 0

    def listen(event: Event) -> None:
        nonlocal seen
        seen += event.kind == kind
        if seen == count:
            raise RunCancelled

    return listen


def test_a_run_is_not_gone_on_with_on_something_else_unless_that_is_allowed(
    tmp_path: Path, image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(order: RunOrder, engine: Engine) -> RunLock:
        now = gather_lock(order, engine)
        policy = now.policy.model_copy(update={"seccomp_sha256": "0" * 64})
        told = now.engine.model_copy(update={"kernel": "another"})
        return now.model_copy(update={"policy": policy, "engine": told})

    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        order = scripted_order(tmp_path, server, image_id)
        assert execute(order, cancelled_at("reply", 1)).outcome is Outcome.INTERRUPTED
        begun = recorded_lock(order.folder)
        assert begun is not None
        for module in ("lmac.resuming", "lmac.run"):
            monkeypatch.setattr(f"{module}.gather_lock", elsewhere)
        before = (order.folder / "journal.jsonl").read_bytes()
        with pytest.raises(Drifted, match=r"policy\.seccomp_sha256: ") as caught:
            resume(order.folder, os.environ)
        assert (order.folder / "journal.jsonl").read_bytes() == before
        with pytest.raises(ConfigError, match="no such part"):
            resume(order.folder, os.environ, allowed_drift=["everything"])
        assert len(server.requests) == 1
        resumed = resume(order.folder, os.environ, allowed_drift=["policy"])

    assert "--allow-drift policy" in caught.value.next_step
    assert resumed.result.outcome is Outcome.COMPLETED
    assert len(events(order.folder, "run_lock")) == 2
    lock = recorded_lock(order.folder)
    assert lock is not None
    assert [one.path for one in compare(begun, lock)] == ["engine.kernel", "policy.seccomp_sha256"]
    assert (order.folder / LOCK_NAME).read_text() == lock.as_json()


def test_a_run_that_is_gone_on_with_on_the_same_things_asks_nobody_for_leave(
    tmp_path: Path, image_id: str
) -> None:
    settings = {"response_cache": str(tmp_path / "replies")}
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        execute(scripted_order(tmp_path, server, image_id, config=settings))
        asked = len(server.requests)
        order = scripted_order(tmp_path, server, image_id, config=settings)
        execute(order, cancelled_at("reply", 2))
        result = resume(order.folder, os.environ).result
        assert len(server.requests) == asked

    assert result.outcome is Outcome.COMPLETED
    assert (result.cached_replies, result.calls, result.usage) == (asked, asked, Usage())
