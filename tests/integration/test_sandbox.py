"""The sandbox as a library: one block for everything, and the README's example as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lmac_sandbox import Engine, ImageNotFound, IsolationMissing, Job, Limits, Owner, Reuse, open_sandbox

pytestmark = pytest.mark.engine

README = Path(__file__).parents[2] / "README.md"


def left_by(engine: Engine, run_id: str) -> list[str]:
    labels = Owner.current(run_id).labels("box")
    wanted = {name: labels[name] for name in ("lmac.run",)}
    return [*engine.containers(wanted), *engine.volumes(wanted)]


def test_the_readmes_example_says_what_its_reader_expects(image_id: str) -> None:
    [example] = re.findall(r"```python\n(import sys.*?)```", README.read_text(), re.DOTALL)
    argv = [sys.executable, "-c", example, image_id]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert re.fullmatch(r"[0-9a-f]{12} exited 1 \['failed'\]\n", done.stdout), done.stderr


def test_a_sandbox_has_single_use_and_warm_boxes_over_one_store(engine: Engine, image_id: str) -> None:
    limits = Limits(wall_seconds=10)
    with open_sandbox(engine, image_id, run_id="test-sandbox", limits=limits) as sandbox:
        digest = sandbox.store.write("a.txt", b"one")
        tools = sandbox.warm_box(sessions=False)
        for boxes, reuse in ((sandbox.boxes, Reuse.SINGLE_USE), (tools, Reuse.RUN), (tools, Reuse.RUN)):
            with boxes.take() as box:
                assert box.snapshot().store_digest == digest
                assert box.run(Job(("cat", "a.txt"))).stdout.head == b"one"
                assert boxes.reuse is reuse

    assert left_by(engine, "test-sandbox") == []


def test_nothing_is_left_of_a_sandbox_that_could_not_start(engine: Engine) -> None:
    with (
        pytest.raises(ImageNotFound),
        open_sandbox(engine, f"sha256:{'0' * 64}", run_id="test-no-image"),
    ):
        pytest.fail("it opened without an image")

    assert left_by(engine, "test-no-image") == []


def test_a_runtime_that_the_engine_lacks_is_refused_before_anything_starts(
    engine: Engine, image_id: str
) -> None:
    with (
        pytest.raises(IsolationMissing, match="no-such-runtime"),
        Engine.connect(runtime="no-such-runtime") as bare,
        open_sandbox(bare, image_id, run_id="test-no-runtime"),
    ):
        pytest.fail("it opened without its runtime")

    assert left_by(engine, "test-no-runtime") == []


def test_boxes_and_keepers_run_under_the_runtime_that_was_asked_for(engine: Engine, image_id: str) -> None:
    other = "io.containerd.runc.v2"
    labels = {"lmac.run": "test-runtime"}
    with (
        Engine.connect(runtime=other) as asked,
        open_sandbox(asked, image_id, run_id="test-runtime") as sandbox,
        sandbox.boxes.take(),
    ):
        started = [
            engine.client.api.inspect_container(container_id) for container_id in engine.containers(labels)
        ]

    assert len(started) >= 2
    assert {container["HostConfig"]["Runtime"] for container in started} == {other}


def test_another_keeper_ends_with_its_sandbox(engine: Engine, image_id: str) -> None:
    with open_sandbox(engine, image_id, run_id="test-another") as sandbox:
        digest = sandbox.store.write("a.txt", b"one")
        assert sandbox.another_keeper().digest() == digest

    assert left_by(engine, "test-another") == []
