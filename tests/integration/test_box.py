"""Jobs in a box: endings, streams, test sessions, and the copy of the store."""

from __future__ import annotations

import json
import threading
import time

import pytest

from lmac_sandbox import (
    Box,
    BoxUsed,
    Ending,
    Engine,
    EngineFailure,
    Job,
    Keeper,
    Limits,
    Owner,
    PathRejected,
    Volume,
    store_digest,
)

pytestmark = pytest.mark.engine

CALC = {
    "calc.py": b"def add(a, b):\n    return a + b\n",
    "tests/test_calc.py": b"""\
import pytest
from calc import add


@pytest.mark.parametrize("n", [1, 2])
def test_add(n):
    assert add(n, n) == 2 * n


def test_wrong():
    assert add(1, 1) == 3, "sums"


@pytest.mark.skip(reason="later")
def test_skipped():
    pass


@pytest.mark.xfail
def test_expected():
    assert False


@pytest.fixture
def broken():
    raise RuntimeError("no fixture")


def test_error(broken):
    pass
""",
}


def python(source: str, **options: object) -> Job:
    return Job(("python3", "-c", source), **options)  # type: ignore[arg-type]  # options of any one job


def test_the_snapshot_has_the_digest_of_the_store(keeper: Keeper, box: Box) -> None:
    digest = keeper.write_many(CALC)
    snapshot = box.snapshot()

    assert (snapshot.store_digest, snapshot.files) == (digest, 2)
    assert box.run(Job(("cat", "calc.py"))).stdout.head == CALC["calc.py"]


def test_the_job_cannot_change_the_store(keeper: Keeper, box: Box) -> None:
    keeper.write_many(CALC)
    box.snapshot()
    box.run(Job(("sh", "-c", "rm -rf /store/* calc.py; echo x > /store/x")))

    assert keeper.digest() == store_digest(CALC)


def test_a_session_reports_every_test_with_its_outcome(keeper: Keeper, box: Box) -> None:
    keeper.write_many(CALC)
    box.snapshot()
    result = box.run(Job.pytest(("-q", "tests")))
    outcomes = {event["id"]: event["outcome"] for event in result.events if event["kind"] == "test"}

    assert (result.ending, result.exit_code) == (Ending.EXITED, 1)
    assert outcomes == {
        "tests/test_calc.py::test_add[1]": "passed",
        "tests/test_calc.py::test_add[2]": "passed",
        "tests/test_calc.py::test_wrong": "failed",
        "tests/test_calc.py::test_skipped": "skipped",
        "tests/test_calc.py::test_expected": "xfailed",
        "tests/test_calc.py::test_error": "error",
    }
    assert [
        ident for event in result.events if event["kind"] == "collected" for ident in event["ids"]
    ] == list(outcomes)
    assert "AssertionError: sums" in next(
        event["text"] for event in result.events if event.get("outcome") == "failed"
    )
    assert result.events[-1] == {"kind": "finished", "exit_code": 1}


def test_a_file_that_cannot_be_collected_is_told(box: Box) -> None:
    box.place({"test_broken.py": b"import nothing_like_this\n"}, "subject")
    result = box.run(Job.pytest(("-q",)))
    errors = [event for event in result.events if event["kind"] == "collect_error"]

    assert (result.ending, result.exit_code) == (Ending.EXITED, 2)
    assert errors[0]["id"] == "test_broken.py"
    assert "nothing_like_this" in errors[0]["text"]


def test_no_folder_name_keeps_tests_from_being_collected(box: Box) -> None:
    folders = ("build", "dist", "node_modules", "venv", "x.egg", ".hidden", "real_venv")
    failing = {f"{folder}/test_{n}.py": b"def test_it(): assert 0\n" for n, folder in enumerate(folders)}
    box.place(failing | {"real_venv/pyvenv.cfg": b""}, "subject")
    result = box.run(Job.pytest(("-q",)))

    assert {event["id"] for event in result.events if event.get("outcome") == "failed"} == {
        f"{path}::test_it" for path in failing
    }


def test_control_sequences_of_tests_do_not_reach_the_host(box: Box) -> None:
    source = b"def test_it(): assert 0, 'a\\x1b[31mb\\x07'\n"
    box.place({"test_it.py": source}, "subject")
    events = box.run(Job.pytest(("-q",))).events
    failure = next(event for event in events if event.get("outcome") == "failed")

    assert "AssertionError: ab" in failure["text"]
    assert not any("\x1b" in event.get("text", "") for event in events)


def test_a_test_may_run_a_session_of_its_own(box: Box) -> None:
    source = b"""\
import _pytest.tmpdir
import pytest


def test_outer(tmp_path, pytestconfig):
    assert "TempPathFactory" in dir(_pytest.tmpdir)
    assert "getini" in dir(pytestconfig)
    (tmp_path / "test_inner.py").write_text("def test_inner(): assert 0")
    assert pytest.main(["-q", str(tmp_path)]) == 1
"""
    box.place({"test_outer.py": source}, "subject")
    # Twice: the first session may come before the runner has prepared one.
    for _ in range(2):
        result = box.run(Job.pytest(("-q", "test_outer.py")))

        assert (result.ending, result.exit_code) == (Ending.EXITED, 0), result.stdout.text()
        time.sleep(1)


OWN_FIXTURES = """
import logging, warnings, pytest

@pytest.fixture
def doubled(request): return 2 * request.param

@pytest.mark.parametrize("doubled", [1, 2], indirect=True)
def test_of_pytest(tmp_path, monkeypatch, capsys, caplog, recwarn, request, doubled, tmp_path_factory):
    monkeypatch.setenv("A", "b")
    logging.warning("logged")
    warnings.warn("warned")
    print("printed")
    assert (caplog.messages, len(recwarn), doubled in (2, 4)) == (["logged"], 1, True)

def setup_module(): global ready; ready = True
class TestSetUp:
    def setup_method(self): self.ready = ready
    def test_set_up(self): assert self.ready
"""


@pytest.mark.parametrize("waits_seconds", [0.0, 1.5], ids=["at once", "after its preparations"])
def test_a_session_has_all_that_pytest_gives(box: Box, waits_seconds: float) -> None:
    time.sleep(waits_seconds)
    box.place({"test_own.py": OWN_FIXTURES.encode()}, "subject")
    result = box.run(Job.pytest(("-q",)))

    assert [event["outcome"] for event in result.events if event["kind"] == "test"] == ["passed"] * 3, result


def test_one_of_our_own_programs_runs_as_the_job_s_user_on_the_copy(keeper: Keeper, box: Box) -> None:
    keeper.write_many({"good.py": b"x = 1\n", "bad.py": b"x = = 1\n"})
    box.snapshot()
    result = box.run(Job.own("syntax"))
    answer = json.loads(result.stdout.text())

    assert (result.ending, result.exit_code, answer["files"]) == (Ending.EXITED, 0, 2)
    assert [fault["path"] for fault in answer["faults"]] == ["bad.py"]


def test_a_program_of_ours_that_fails_says_why(box: Box) -> None:
    box.run(Job(("chmod", "000", "/scratch/subject")))
    result = box.run(Job.own("syntax"))

    assert (result.ending, result.exit_code) == (Ending.EXITED, 1)
    assert "PermissionError" in result.stderr.text()


def test_no_tests_is_no_pass(box: Box) -> None:
    result = box.run(Job.pytest())

    assert (result.ending, result.exit_code) == (Ending.EXITED, 5)


def test_a_suite_beside_the_subject_imports_it(box: Box) -> None:
    box.place({"calc.py": CALC["calc.py"], "src/more.py": b"X = 1\n"}, "subject")
    box.place({"test_it.py": b"import calc, more\ndef test_it(): assert calc.add(more.X, 1) == 2\n"}, "suite")

    assert box.run(Job.pytest(("-q",), working_folder="suite")).exit_code == 0


def test_streams_exit_code_input_folder_and_environment(box: Box) -> None:
    source = (
        "import os, sys; print(sys.stdin.read(), os.getcwd(), os.environ['X']);"
        "sys.stderr.write('e'); sys.exit(7)"
    )
    result = box.run(python(source, stdin=b"in", working_folder="suite", environment={"X": "y"}))

    assert (result.ending, result.exit_code) == (Ending.EXITED, 7)
    assert result.stdout.head == b"in /scratch/suite y\n"
    assert result.stderr.head == b"e"


@pytest.mark.parametrize(
    "argv", [("no-such-program",), ("/scratch",), ("python3", "a\x00b")], ids=["absent", "folder", "nul"]
)
def test_a_job_that_cannot_start_is_rejected_with_the_reason(box: Box, argv: tuple[str, ...]) -> None:
    result = box.run(Job(argv))

    assert (result.ending, result.exit_code) == (Ending.REJECTED, None)
    assert argv[0] in result.stderr.text()


def test_a_signal_is_its_own_ending(box: Box) -> None:
    result = box.run(python("import os; os.kill(os.getpid(), 11)"))

    assert (result.ending, result.exit_code, result.signal) == (Ending.SIGNALLED, None, 11)


def test_only_head_and_tail_of_a_long_output_are_kept(box: Box) -> None:
    result = box.run(python("print('first'); print('x' * 2_000_000); print('last')"))

    assert result.ending is Ending.EXITED
    assert result.stdout.head.startswith(b"first\n")
    assert result.stdout.tail.endswith(b"last\n")
    assert result.stdout.total_bytes == 2_000_012
    assert len(result.stdout.head) + len(result.stdout.tail) == Limits().kept_bytes


def test_a_job_has_its_own_time(box: Box) -> None:
    result = box.run(Job(("sleep", "30"), wall_seconds=0.3))

    assert result.ending is Ending.TIMED_OUT
    assert 0.25 < result.seconds < 1.5


def test_placing_refuses_paths_that_leave_the_folder(box: Box) -> None:
    with pytest.raises(PathRejected):
        box.place({"../home/x": b""}, "suite")


def test_a_store_that_does_not_fit_into_the_scratch_is_an_engine_failure(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    keeper.write("big.bin", b"x" * 2**20)
    with (
        Box.start(engine, volume, image_id, owner, Limits(scratch_bytes=2**19)) as box,
        pytest.raises(EngineFailure, match="No space"),
    ):
        box.snapshot()


def test_a_box_whose_container_is_gone_fails_at_once(engine: Engine, box: Box) -> None:
    killer = threading.Timer(0.3, engine.remove_container, [box.container_id])
    killer.start()
    started = time.monotonic()

    with pytest.raises(EngineFailure):
        box.run(Job(("sleep", "30")))
    assert time.monotonic() - started < 5


def test_a_box_that_is_closed_in_the_middle_of_a_job_is_gone_within_seconds(engine: Engine, box: Box) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            box.run(Job(("sleep", "30")))
        except EngineFailure as error:
            failures.append(error)

    runner = threading.Thread(target=run)
    runner.start()
    time.sleep(0.3)
    box.close()
    runner.join(5)

    assert failures
    deadline = time.monotonic() + 3
    while box.container_id in engine.containers({}) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert box.container_id not in engine.containers({})


def test_write_to_verdict_stays_under_a_second(keeper: Keeper, box: Box) -> None:
    keeper.write_many(CALC)
    started = time.perf_counter()
    digest = keeper.write("calc.py", b"def add(a, b):\n    return b + a\n")
    snapshot = box.snapshot()
    lint = box.run(Job(("ruff", "check", "--isolated", "--no-cache", "--output-format=json", ".")))
    tests = box.run(Job.pytest(("-q", "tests")))

    assert time.perf_counter() - started < 1.0
    assert snapshot.store_digest == digest
    assert lint.ending is tests.ending is Ending.EXITED


def test_a_used_box_for_a_single_use_gives_no_second_snapshot(box: Box, keeper: Keeper) -> None:
    keeper.write("a.py", b"A = 1\n")
    box.snapshot()
    box.run(Job(("touch", "planted")))

    with pytest.raises(BoxUsed, match="single use"):
        box.snapshot()


def test_an_input_arrives_whole_or_is_refused_before_anything_runs(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    box = Box.start(engine, volume, image_id, owner, Limits(file_bytes=2**20))
    try:
        with pytest.raises(ValueError, match=f"{2**20 + 1} bytes; file_bytes is {2**20}"):
            box.run(Job(("wc", "-c"), stdin=b"x" * (2**20 + 1)))

        assert box.run(Job(("wc", "-c"), stdin=b"x" * 2**20)).stdout.text() == f"{2**20}\n"
    finally:
        box.remove()
