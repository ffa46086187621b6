"""Packages for generated code, from an index on loopback into boxes of a real engine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from judged_boxes import judged_by, outcomes
from lmac.assembly import RunSandbox, start_sandbox
from lmac.checks import AcceptanceCheck, AcceptanceForm
from lmac.config import RunConfig
from lmac.dependencies import CHECK, past_decisions
from lmac.errors import RunCancelled
from lmac.evaluation import Report, Verdict
from lmac.inputs import load_checks
from lmac.journal import Event
from lmac.resuming import resume
from lmac.run import execute
from lmac.run_lock import LOCK_NAME, recorded_lock
from lmac.transitions import Outcome
from lmac_sandbox import (
    Box,
    DependencyLimits,
    DependencyProvider,
    DependencyRefused,
    Ending,
    Engine,
    EngineFailure,
    Job,
    PackageUnavailable,
    Sandbox,
    Target,
    dependency_image,
    open_sandbox,
    prune_dependency_images,
    target_job,
    target_of,
)
from lmac_sandbox.dependency_image import REPOSITORY
from memory_journal import MemoryJournal
from scripted_runs import DONE, GREEN_FILES, ONE_STEP, events, observations, scripted_order, wrote
from scripted_server import ScriptedServer
from wheel_index import WheelIndex

pytestmark = [pytest.mark.engine, pytest.mark.slow]

HELLO = "def hello() -> str:\n    return 'hello'\n"
WHERE = "/opt/dependencies/greeting.py\n"
USES_IT = "import greeting\n\n\ndef greet(name: str) -> str:\n    return f'{greeting.hello()} {name}'\n"
TESTS = "from polite import greet\n\n\ndef test_greets() -> None:\n    assert greet('you') == 'hello you'\n"
POLITE = {"polite.py": USES_IT.encode(), "test_polite.py": TESTS.encode()}


@pytest.fixture
def index() -> Iterator[WheelIndex]:
    with WheelIndex() as serving:
        script = "greeting-1.0.data/scripts/greet"
        serving.publish("greeting", files={"greeting.py": HELLO, script: "#!/bin/sh\n"})
        yield serving


@pytest.fixture(autouse=True)
def no_images_left(engine: Engine) -> Iterator[None]:
    before = images_with_dependencies(engine)
    yield
    with engine.call("remove what the test loaded") as client:
        for image_id in images_with_dependencies(engine) - before:
            client.images.remove(image_id, force=True)


def images_with_dependencies(engine: Engine) -> set[str]:
    with engine.call("list images") as client:
        return {str(image.id) for image in client.images.list(name=REPOSITORY)}


@pytest.fixture
def sandbox(engine: Engine, image_id: str) -> Iterator[Sandbox]:
    with open_sandbox(engine, image_id) as opened:
        yield opened


@pytest.fixture
def target(sandbox: Sandbox) -> Target:
    with sandbox.boxes.take() as box:
        return target_of(box.run(target_job()))


def provider_in(folder: Path, engine: Engine, image_id: str, index: WheelIndex) -> DependencyProvider:
    return DependencyProvider(engine, image_id, folder, index_url=index.url)


def said_in(box: Box, source: str, *options: str) -> str:
    result = box.run(Job(("/usr/bin/python3", *options, "-c", source)))
    return result.stdout.text() + result.stderr.text()


def test_the_image_tells_its_python_and_what_it_brings(target: Target) -> None:
    assert target.minor_version == "3.11"
    assert (target.machine, target.glibc_minor) == ("x86_64", 36)
    assert {"pytest", "ruff", "ty"} <= set(target.provided)
    assert {"random", "json"} <= target.standard_modules


def test_generated_code_imports_packages_and_nothing_else_of_the_box_does(
    engine: Engine, sandbox: Sandbox, image_id: str, index: WheelIndex, target: Target, tmp_path: Path
) -> None:
    pin = index.publish("greeting", files={"greeting.py": HELLO})
    provided = provider_in(tmp_path, engine, image_id, index).provide([pin], target)
    sandbox.store.write_many(POLITE)
    sandbox.use_image(provided.image_id)

    with sandbox.boxes.take() as box:
        box.snapshot()
        assert said_in(box, "import greeting; print(greeting.__file__)") == WHERE
        child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import polite'], check=True)"
        assert said_in(box, child) == ""
        place = "/opt/dependencies"
        denied = f"import os; print(os.access('{place}', os.W_OK), *sorted(os.listdir('{place}')))"
        assert said_in(box, denied) == "False __pycache__ greeting-1.0.dist-info greeting.py\n"
        assert "ModuleNotFoundError" in said_in(box, "import greeting", "-I")
        session = box.run(Job.pytest())
        assert outcomes(session) == {"test_greets": "passed"}
    assert sandbox.store.list()
    suite = {
        "test_it.py": (
            "import os, subprocess, sys\n"
            "from polite import greet\n"
            "def test_greets(): assert greet('you') == 'hello you'\n"
            "def test_the_judge_has_none_of_it():\n"
            "    assert '/opt/dependencies' not in sys.path and 'PYTHONPATH' not in os.environ\n"
            "    child = subprocess.run([sys.executable, '-c', 'import greeting'], capture_output=True)\n"
            "    assert b'ModuleNotFoundError' in child.stderr\n"
        )
    }
    with sandbox.boxes.take() as box:
        verdict, judged = judged_by(AcceptanceCheck(AcceptanceForm.API), suite, box)
    assert outcomes(judged) == {"test_greets": "passed", "test_the_judge_has_none_of_it": "passed"}
    assert verdict.verdict is Verdict.PASSED


def test_packages_come_compiled_and_what_cannot_be_compiled_stays_as_it_is(
    engine: Engine, sandbox: Sandbox, image_id: str, index: WheelIndex, target: Target, tmp_path: Path
) -> None:
    odd = {
        "deep.py": "(" * 100_000,
        "unread.py": "# coding: nothing\n",
        "nul.py": "x = 1\0",
        "template.py": "{% if x %}",
    }
    pin = index.publish("greeting", files={"greeting.py": HELLO, **odd})
    provided = provider_in(tmp_path, engine, image_id, index).provide([pin], target)
    sandbox.store.write_many(POLITE)
    sandbox.use_image(provided.image_id)

    with sandbox.boxes.take() as box:
        box.snapshot()
        listed = "import os; print(sorted(os.listdir('/opt/dependencies/__pycache__')))"
        assert said_in(box, listed) == "['greeting.cpython-311.pyc']\n"
        imported = said_in(box, "import greeting", "-v")
        assert "code object from '/opt/dependencies/__pycache__/greeting.cpython-311.pyc'" in imported


def test_packages_that_take_too_long_to_compile_are_told_and_leave_nothing(
    engine: Engine, image_id: str, index: WheelIndex, target: Target, tmp_path: Path
) -> None:
    pin = index.publish("greeting", files={"greeting.py": HELLO})
    ready = provider_in(tmp_path, engine, image_id, index)
    ready._wheels.fetch([pin], target)
    hasty = DependencyProvider(engine, image_id, tmp_path, DependencyLimits(fetch_seconds=0.01), index.url)

    with pytest.raises(PackageUnavailable, match="cannot be compiled now"):
        hasty.provide([pin], target)
    assert ready.provide([pin], target).layer_digest


def would_go(engine: Engine, cache: Path) -> tuple[str, ...]:
    pruned = prune_dependency_images(engine, cache, dry_run=True)
    # Whoever else runs on this engine may stand on the image below.
    return (*pruned.removed, *pruned.in_use)


def test_the_same_wheels_are_one_image_whoever_brings_them(
    engine: Engine, image_id: str, index: WheelIndex, target: Target, tmp_path: Path
) -> None:
    pins = [index.publish("greeting", files={"greeting.py": HELLO}), index.publish("other")]
    first = provider_in(tmp_path / "first", engine, image_id, index).provide(pins, target)
    index.asked.clear()

    for note in (tmp_path / "first" / "layers").iterdir():
        os.utime(note, (1, 1))
    assert first.image_id in would_go(engine, tmp_path / "first")
    again = provider_in(tmp_path / "first", engine, image_id, index).provide(pins, target)
    assert (again, index.asked) == (first, [])
    assert first.image_id not in would_go(engine, tmp_path / "first")

    elsewhere = provider_in(tmp_path / "second", engine, image_id, index).provide(pins, target)
    assert elsewhere == first
    assert first.image_id != image_id

    with engine.call("forget the image") as client:
        client.images.remove(first.image_id, force=True)
    index.asked.clear()
    from_cache = provider_in(tmp_path / "first", engine, image_id, index).provide(pins, target)
    assert (from_cache, index.asked) == (first, [])


def test_an_engine_that_wants_every_layer_gets_its_own_back(
    engine: Engine,
    image_id: str,
    index: WheelIndex,
    target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pin = index.publish("greeting", files={"greeting.py": HELLO})
    alone = provider_in(tmp_path / "first", engine, image_id, index).provide([pin], target)
    with engine.call("forget the image") as client:
        client.images.remove(alone.image_id, force=True)

    def refusing(*given: Any) -> None:
        if not given[-1]:
            raise EngineFailure("a layer is missing")
        send(*given)

    send = dependency_image._send
    monkeypatch.setattr(dependency_image, "_send", refusing)
    assert provider_in(tmp_path / "second", engine, image_id, index).provide([pin], target) == alone


def test_nothing_asked_for_is_the_image_itself(
    engine: Engine, image_id: str, index: WheelIndex, target: Target, tmp_path: Path
) -> None:
    assert provider_in(tmp_path, engine, image_id, index).provide([], target).image_id == image_id


def test_a_box_that_waits_with_other_packages_is_not_given_out(
    engine: Engine, image_id: str, index: WheelIndex, target: Target, sandbox: Sandbox, tmp_path: Path
) -> None:
    pin = index.publish("greeting", files={"greeting.py": HELLO})
    warm = sandbox.warm_box(sessions=False)
    with warm.take() as box:
        box.snapshot()
        before = box.container_id
        assert "ModuleNotFoundError" in said_in(box, "import greeting")

    sandbox.use_image(provider_in(tmp_path, engine, image_id, index).provide([pin], target).image_id)
    for boxes in (warm, sandbox.boxes):
        with boxes.take() as box:
            box.snapshot()
            assert box.container_id != before
            assert said_in(box, "import greeting; print(greeting.__file__)") == WHERE

    sandbox.use_image(image_id)
    for boxes in (warm, sandbox.boxes):
        with boxes.take() as box:
            box.snapshot()
            assert "ModuleNotFoundError" in said_in(box, "import greeting")


@contextmanager
def started(
    image_id: str, index: WheelIndex, cache: Path, journal: MemoryJournal, **options: Any
) -> Iterator[RunSandbox]:
    config = RunConfig.model_validate(
        {"dependencies": {"policy": "index", "index_url": index.url, **options}, "tests": {"required": False}}
    )
    with ExitStack() as stack:
        checks = load_checks(config).checks
        yield start_sandbox(config, checks, "test-dependencies", image_id, journal, stack, cache=cache)


def judged(run: RunSandbox, files: Mapping[str, bytes]) -> Report:
    for path, content in files.items():
        run.workspace.store.write(path, content)
    return run.workspace.evaluator.evaluate(run.workspace.store.digest())


def told(report: Report, check: str = CHECK) -> str:
    result = report.result(check)
    return " | ".join(finding.text for finding in result.findings) if result else ""


def test_what_a_file_asks_for_is_there_for_tests_types_and_programs(
    image_id: str, index: WheelIndex, tmp_path: Path
) -> None:
    journal = MemoryJournal()
    with started(image_id, index, tmp_path, journal) as run:
        without = judged(run, POLITE)
        assert "greeting" in told(without, "types")
        assert without.green is False

        report = judged(run, {"requirements.txt": b"greeting>=1\n"})
        assert (told(report, "types"), report.green) == ("", True)
        assert report.result(CHECK) is None
        (event,) = (event for event in journal.events if event.kind == "dependencies")
        ((pin,),) = past_decisions(journal.events).pins.values()
        assert (pin.name, pin.version, event.data["asked"]) == ("greeting", "1.0", ["greeting>=1"])

        digest = run.workspace.store.write("main.py", b"import greeting; print(greeting.__file__)\n")
        assert run.workspace.evaluator.run_program(digest, "main.py", ()).stdout.text() == WHERE

        run.workspace.store.delete("requirements.txt")
        assert judged(run, {}).green is False


def test_what_is_refused_is_a_verdict_that_says_what_is_allowed(
    image_id: str, index: WheelIndex, tmp_path: Path
) -> None:
    journal = MemoryJournal()
    index.publish("other")
    options = {"policy": "listed", "listed": ["greeting"]}
    with started(image_id, index, tmp_path, journal, **options) as run:
        report = judged(run, {**POLITE, "requirements.txt": b"greeting\nother\n"})
        assert report.green is False
        assert "other: not allowed" in told(report)
        assert "allowed are greeting" in told(report)
        assert index.asked == []

        report = judged(run, {"requirements.txt": b"greeting @ http://attacker/x\n"})
        assert "requirements.txt, line 1" in told(report)

        report = judged(run, {"requirements.txt": b"greeting==7\n"})
        assert "No matching distribution found for greeting==7" in told(report)

        asked = len(index.asked)
        judged(run, {"main.py": b""})
        assert len(index.asked) == asked

        assert judged(run, {"requirements.txt": b"greeting\npytest\n"}).green is True
        kinds = [event.kind for event in journal.events if event.kind.startswith("dependencies")]
        assert kinds == ["dependencies_refused"] * 3 + ["dependencies"]


def test_an_index_that_is_away_breaks_the_check_off_and_is_asked_again(
    image_id: str, index: WheelIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RETRIES", "1")
    journal = MemoryJournal()
    with started(image_id, index, tmp_path, journal) as run:
        file, content = next(iter(index.files.items()))
        # Its page names a file whose bytes are others by now.
        index.files[file], index.digests[file] = b"no wheel", hashlib.sha256(content).hexdigest()
        report = judged(run, {**POLITE, "requirements.txt": b"greeting\n"})
        result = report.result(CHECK)
        assert result is not None
        assert (result.verdict, result.ending) == (Verdict.BROKEN_OFF, Ending.INFRASTRUCTURE_FAILURE)

        index.files[file] = content
        assert judged(run, {}).green is True


def test_a_run_without_packages_says_so_once_somebody_asks(
    image_id: str, index: WheelIndex, tmp_path: Path
) -> None:
    journal = MemoryJournal()
    with started(image_id, index, tmp_path, journal, policy="none") as run:
        files = {"doubling.py": b"def double(n: int) -> int:\n    return 2 * n\n", "test_it.py": b""}
        files["test_it.py"] = b"from doubling import double\ndef test_it(): assert double(2) == 4\n"
        assert judged(run, {**files, "requirements.txt": b"pytest\n"}).result(CHECK) is None

        report = judged(run, {"requirements.txt": b"flask\npytest\n"})
        assert "nothing of requirements.txt is installed" in told(report)
        assert report.green is True


def assert_locked(folder: Path, given: Event) -> None:
    lock = recorded_lock(folder)
    assert lock is not None
    assert lock.as_json() == (folder / LOCK_NAME).read_text()
    part = lock.dependencies[given.data["file_sha256"]]
    assert part.layer_sha256 == given.data["layer_sha256"]
    assert part.packages["greeting"].sha256 == given.data["pins"][0]["sha256"]


def test_a_whole_run_gets_what_its_model_asked_for(
    engine: Engine, image_id: str, index: WheelIndex, tmp_path: Path
) -> None:
    files = {**{path: content.decode() for path, content in POLITE.items()}, **GREEN_FILES}
    script = [
        ONE_STEP,
        wrote({**files, "requirements.txt": "greeting[all]\n"}),
        wrote({"requirements.txt": "greeting\n"}),
        DONE,
    ]
    config = {"dependencies": {"policy": "index", "index_url": index.url}}
    suite = {"test_it.py": b"from polite import greet\ndef test_greets(): assert greet('x') == 'hello x'\n"}
    with ScriptedServer(script) as server:
        order = scripted_order(tmp_path, server, image_id, config=config, acceptance=suite)
        result = execute(order)

    assert result.outcome is Outcome.COMPLETED, (result.error, observations(order.folder))
    assert result.acceptance is not None
    assert result.acceptance.green
    assert [event.data["text"][:24] for event in events(order.folder, "dependencies_refused")] == [
        "requirements.txt, line 1"
    ]
    (event,) = events(order.folder, "dependencies")
    assert event.data["image_id"] != image_id
    assert len(event.data["layer_sha256"]) == 64
    assert_locked(order.folder, event)


@pytest.mark.parametrize("stopped_at", ["dependencies_refused", "dependencies", "report"])
def test_a_resumed_run_has_what_it_had_without_asking_an_index(
    image_id: str, index: WheelIndex, tmp_path: Path, stopped_at: str
) -> None:
    files = {**{path: content.decode() for path, content in POLITE.items()}, **GREEN_FILES}
    script = [
        ONE_STEP,
        wrote({**files, "requirements.txt": "nothing-like-this\n"}),
        wrote({"requirements.txt": "greeting\n"}),
        DONE,
    ]
    config = {"dependencies": {"policy": "index", "index_url": index.url}}
    decided: list[str] = []

    def stopping(event: Event) -> None:
        decided.append(event.kind)
        if event.kind == stopped_at and (stopped_at != "report" or "dependencies" in decided):
            raise RunCancelled

    with ScriptedServer(script) as server:
        order = scripted_order(tmp_path, server, image_id, config=config)
        assert execute(order, stopping).outcome is Outcome.INTERRUPTED
        asked = len(index.asked)
        resumed = resume(order.folder, {"LMAC_CACHE": str(tmp_path / "cache")})

    assert resumed.result.outcome is Outcome.COMPLETED, resumed.result.error
    later = index.asked[asked:]
    assert "/simple/nothing-like-this/" not in later
    assert bool(later) is (stopped_at == "dependencies_refused")
    given = events(order.folder, "dependencies")
    assert len({event.data["layer_sha256"] for event in given}) == 1
    assert_locked(order.folder, given[0])


def test_a_wheel_that_holds_what_no_layer_may_reaches_no_engine(
    engine: Engine, image_id: str, index: WheelIndex, target: Target, tmp_path: Path
) -> None:
    before = images_with_dependencies(engine)
    climbing = index.publish("climbing", files={"../../usr/lib/python3/dist-packages/pytest.py": "x"})
    provider = provider_in(tmp_path, engine, image_id, index)

    with pytest.raises(DependencyRefused, match="has no place"):
        provider.provide([climbing], target)
    assert images_with_dependencies(engine) == before
