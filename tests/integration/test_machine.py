"""Whole runs: real containers, the real client over HTTP, scripted replies. What goes right, goes right."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from json_schema import line_faults
from lmac.evaluation import Verdict
from lmac.journal import journal_schema, read_blob, read_journal
from lmac.report.result import RunResult, read_result
from lmac.report.verifying import verify_run
from lmac.run import RunOrder, execute
from lmac.transitions import MachineKind, Outcome
from lmac_sandbox import Engine, Reuse, store_digest
from scripted_runs import (
    DONE,
    GREEN_FILES,
    NATIVE_DONE,
    ONE_STEP,
    RED_FILES,
    TESTS,
    decisions,
    delivered,
    events,
    leftovers,
    native_wrote,
    observations,
    report_of,
    scripted_order,
    wrote,
)
from scripted_server import Says, Scripted, ScriptedServer, called, heard_last, spoken

pytestmark = pytest.mark.engine

ZEBRA = b"from doubling import double\n\n\ndef test_zebra():\n    assert double(21) == 42\n"
ACCEPTANCE = {"test_secret_acceptance.py": ZEBRA}
SECOND_FILES = {
    "pkg/__init__.py": "",
    "pkg/halving.py": "def half(number: int) -> int:\n    return number // 2\n",
    "test_halving.py": "from pkg.halving import half\n\n\ndef test_it() -> None:\n    assert half(8) == 4\n",
}
TWO_STEPS = [
    {"text": "Write doubling.py.", "files": ["doubling.py", "test_doubling.py"]},
    {"text": "Write the package pkg.", "files": ["pkg/halving.py", "test_halving.py"]},
]
NUMBERED = "\n".join(
    f"{number}. {step['text']} (files: {', '.join(step['files'])})"
    for number, step in enumerate(TWO_STEPS, start=1)
)
JSON_STEPS = json.dumps(
    {
        "steps": [
            {"module": step["files"][0], "tests": step["files"][1], "text": step["text"]}
            for step in TWO_STEPS
        ]
    }
)


TEST_REUSE = {"numbered": Reuse.SINGLE_USE, "json": Reuse.SINGLE_USE, "tool": Reuse.RUN}


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended, with all that the server saw of it."""

    order: RunOrder
    result: RunResult
    server: ScriptedServer

    @property
    def folder(self) -> Path:
        return self.order.folder


def _happy_script(form: str) -> list[Scripted]:
    if form == "tool":
        program = called(("program", {"instructions": TWO_STEPS}))
        return [program, native_wrote(GREEN_FILES), NATIVE_DONE, native_wrote(SECOND_FILES), NATIVE_DONE]
    given = Says(JSON_STEPS if form == "json" else NUMBERED)
    return [given, wrote(GREEN_FILES), DONE, wrote(SECOND_FILES), DONE]


@pytest.fixture(scope="module", params=["numbered", "json", "tool"])
def completed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, image_id: str
) -> Iterator[Finished]:
    """A run of two instructions without a mistake, once in every form of program and both grades of boxes."""
    form = request.param
    with ScriptedServer(_happy_script(form), summary="doubling.py holds double().") as server:
        order = scripted_order(
            tmp_path_factory.mktemp(form),
            server,
            image_id,
            config={"evaluation": {"test_reuse": TEST_REUSE[form].value}},
            acceptance=ACCEPTANCE,
            protocol="native" if form == "tool" else "fenced",
            json_schema=form == "json",
        )
        yield Finished(order, execute(order), server)


def test_a_task_becomes_a_program_and_the_program_becomes_files_that_are_accepted(
    completed: Finished,
) -> None:
    result = completed.result

    assert (result.outcome, result.error) == (Outcome.COMPLETED, "")
    assert result.exit_code == 0
    assert (result.instructions, result.instructions_completed) == (2, 2)
    assert result.checks is not None
    assert result.checks.green
    tests = result.checks.result("tests")
    assert tests is not None
    assert (tests.passed_count, tests.failed_count) == (2, 0)
    assert result.acceptance is not None
    assert result.acceptance.results[0].passed_count == 1
    assert completed.server.refused == []


def test_the_report_says_in_which_grade_of_box_each_check_ran(completed: Finished) -> None:
    config = completed.order.config

    assert completed.result.checks is not None
    assert {found.check: found.reuse for found in completed.result.checks.results} == {
        "syntax": Reuse.RUN,
        "lint": Reuse.RUN,
        "types": Reuse.RUN,
        "tests": config.evaluation.test_reuse,
    }
    assert completed.result.acceptance is not None
    assert [found.reuse for found in completed.result.acceptance.results] == [Reuse.SINGLE_USE]


def test_the_files_delivered_are_the_files_written_byte_for_byte(completed: Finished) -> None:
    files = {**GREEN_FILES, **SECOND_FILES}

    assert delivered(completed.folder) == files
    assert completed.result.files == len(files)
    assert completed.result.lines == sum(len(content.splitlines()) for content in files.values())
    checks = completed.result.checks
    assert checks is not None
    assert checks.store_digest == store_digest({path: text.encode() for path, text in files.items()})


def test_the_report_says_what_the_result_says_and_counts_what_the_server_counted(completed: Finished) -> None:
    report = report_of(completed.folder)
    replies = [event.data for event in events(completed.folder, "reply")]

    assert read_result(completed.folder) == completed.result
    assert report["exit_code"] == 0
    assert report["calls"] == len(completed.server.requests) == len(replies) == 6
    assert report["usage"]["prompt_tokens"] == sum(reply["usage"]["prompt_tokens"] for reply in replies) > 0


def test_the_journal_is_one_chain_from_opening_to_close(completed: Finished) -> None:
    found = list(read_journal(completed.folder))

    verified = verify_run(completed.folder)
    assert verified.lines[-1].chain == completed.result.journal_chain
    assert [line_faults(line.encoded(), journal_schema()) for line in verified.lines] == [[]] * len(found)
    assert [event.seq for event in found] == list(range(completed.result.journal_events))
    assert (found[0].kind, found[-1].kind) == ("run_opened", "run_closed")
    assert found[-1].data["outcome"] == "completed"


def test_nothing_is_left_in_the_engine(completed: Finished, engine: Engine) -> None:
    assert leftovers(engine, completed.order.folder.name) == 0


def test_the_summary_of_an_instruction_opens_the_next_one(completed: Finished) -> None:
    first, second = (body for body in completed.server.turns if "Carry out step" in heard_last(body))

    assert "doubling.py holds double()." not in spoken(first)
    assert "doubling.py holds double()." in spoken(second)
    assert len(completed.server.summaries) == 1


def test_no_request_holds_anything_of_the_acceptance_suite(completed: Finished) -> None:
    for body in completed.server.requests:
        sent = json.dumps(body)
        assert "zebra" not in sent
        assert "secret_acceptance" not in sent


def test_every_request_but_the_first_of_a_window_begins_with_the_one_before_it(completed: Finished) -> None:
    turns = completed.server.turns[1:]
    for before, after in ((turns[0], turns[1]), (turns[2], turns[3])):
        assert after["messages"][: len(before["messages"])] == before["messages"]


def _run(folder: Path, image_id: str, script: Any, **order: Any) -> Finished:
    """One run from its script to its end."""
    with ScriptedServer(script) as server:
        made = scripted_order(folder, server, image_id, **order)
        return Finished(made, execute(made), server)


def test_files_that_the_acceptance_suite_refuses_are_delivered_with_exit_code_1(
    tmp_path: Path, image_id: str
) -> None:
    suite = {"test_more.py": b"from doubling import treble\n\n\ndef test_it():\n    assert treble(1) == 3\n"}
    done = _run(tmp_path, image_id, [ONE_STEP, wrote(GREEN_FILES), DONE], acceptance=suite)

    assert done.result.outcome is Outcome.COMPLETED
    assert done.result.acceptance is not None
    assert not done.result.acceptance.green
    assert done.result.exit_code == 1
    assert delivered(done.folder) == GREEN_FILES


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory, image_id: str) -> Finished:
    """Red files, a completion on red, two malformed replies, then the right module."""
    script = [
        Says("I shall think about it."),
        ONE_STEP,
        wrote(RED_FILES),
        DONE,
        Says("```python\nno_path = True\n```"),
        Says("The step is nearly complete, nothing to do."),
        wrote({"doubling.py": GREEN_FILES["doubling.py"]}),
        DONE,
    ]
    return _run(tmp_path_factory.mktemp("mended"), image_id, script)


def test_a_report_of_red_tests_goes_back_and_the_mended_files_are_completed(mended: Finished) -> None:
    after_red = heard_last(mended.server.turns[3])

    assert mended.result.exit_code == 0
    assert delivered(mended.folder) == GREEN_FILES
    assert "test_doubles" in after_red
    assert "assert 12 == 8" in after_red
    assert "tests: failed (0 passed, 1 failed)" in after_red
    assert [event.data["green"] for event in events(mended.folder, "report")] == [False, True]


def test_the_raw_output_of_each_job_is_kept_by_its_digest(mended: Finished) -> None:
    jobs = events(mended.folder, "job")
    red = next(event.data for event in jobs if event.data["name"] == "tests")
    (digest,) = red["streams"]["stdout"]["sha256"]
    stdout = read_blob(mended.folder, digest)

    assert [event.data["name"] for event in jobs[:4]] == ["syntax", "lint", "types", "tests"]
    assert (red["ending"], red["exit_code"]) == ("exited", 1)
    assert red["streams"]["stdout"]["total_bytes"] == len(stdout)
    assert b"assert 12 == 8" in stdout


def test_a_completion_on_red_is_refused(mended: Finished) -> None:
    assert "does not count as complete: the checks do not pass" in heard_last(mended.server.turns[4])
    assert decisions(mended.folder).count("RefuseFinish") == 1


def test_a_malformed_reply_becomes_an_observation(mended: Finished) -> None:
    assert "A fenced block has no path" in heard_last(mended.server.turns[5])
    assert "held no file and no command" in heard_last(mended.server.turns[6])


def test_a_reply_that_is_no_program_is_sent_back_with_its_fault(mended: Finished) -> None:
    assert "no numbered instruction was found" in heard_last(mended.server.turns[1])


BAD_PATHS = ("../outside.py", "/etc/outside.py", ".git/hooks/pre-commit", "pkg/../../outside.py", "a\\b.py")


def test_writes_outside_the_store_become_observations_and_write_nothing(
    tmp_path: Path, image_id: str
) -> None:
    attempts = [called(("write", {"path": path, "content": "import os\n"})) for path in BAD_PATHS]
    program = called(("program", {"instructions": TWO_STEPS[:1]}))
    script = [program, *attempts, native_wrote(GREEN_FILES), NATIVE_DONE]
    done = _run(tmp_path, image_id, script, protocol="native", config={"machine": {"turns": 20}})

    told = observations(done.folder)[: len(BAD_PATHS)]
    for path, text in zip(BAD_PATHS, told, strict=True):
        assert text.startswith(f"{path} was not written: "), text
    assert done.result.exit_code == 0
    assert delivered(done.folder) == GREEN_FILES
    assert not list(tmp_path.rglob("*outside*"))
    assert done.server.refused == []


def test_calls_of_one_reply_are_carried_out_in_order_until_one_fails_and_all_are_answered(
    tmp_path: Path, image_id: str
) -> None:
    program = called(("program", {"instructions": TWO_STEPS[:1]}))
    many = called(
        ("write", {"path": "doubling.py", "content": "FIRST = 1\n"}),
        ("write", {"path": "doubling.py", "content": GREEN_FILES["doubling.py"]}),
        ("read", {"path": "absent.py"}),
        ("delete", {"path": "doubling.py"}),
        ("done", {}),
    )
    garbled = called(("write", '{"path": "cut.py", "conte'), ("wriite", {}), ("write", {"path": 5}))
    script = [program, many, garbled, native_wrote({"test_doubling.py": TESTS}), NATIVE_DONE]
    done = _run(tmp_path, image_id, script, protocol="native")
    answers = [message for message in done.server.turns[2]["messages"] if message["role"] == "tool"]
    told = [answer["content"] for answer in answers]

    assert told[0] == "Wrote doubling.py (1 lines)."
    assert told[1] == "Wrote doubling.py (3 lines)."
    assert "absent.py" in told[2]
    assert told[3:] == [
        f"{name} was not carried out: an action before it failed." for name in ("delete", "done")
    ]
    last_calls = done.server.turns[3]["messages"]
    assert "are no JSON" in spoken({"messages": last_calls})
    assert "Did you mean write?" in spoken({"messages": last_calls})
    assert done.server.refused == []
    assert done.result.exit_code == 0
    assert delivered(done.folder) == GREEN_FILES


def test_the_model_reads_lists_runs_and_deletes_files_and_asks_for_the_tests(
    tmp_path: Path, image_id: str
) -> None:
    program = "import sys\n\nprint('argued', sys.argv[1:])\nsys.exit(3)\n"
    numbered = "".join(f"# {number}\n" for number in range(1, 21))
    script = [
        ONE_STEP,
        wrote({**GREEN_FILES, "tool.py": program, "long.py": numbered, "junk.py": "X = 1\n"}),
        Says('READ long.py 5-7\n\nLIST\n\nRUN tool.py one "two words"\n\nDELETE junk.py\n\nTESTS'),
        DONE,
    ]
    done = _run(tmp_path, image_id, script)
    told = observations(done.folder)[5:]

    assert told[0] == "long.py, lines 5-7 of 20:\n# 5\n# 6\n# 7"
    assert "junk.py (6 bytes)" in told[1]
    assert "Ran tool.py: exit code 3." in told[2]
    assert "argued ['one', 'two words']" in told[2]
    assert told[3] == "Deleted junk.py."
    assert told[4] == "The checks were run."
    assert "The checks pass:" in heard_last(done.server.turns[3])
    assert done.result.exit_code == 0
    assert "junk.py" not in delivered(done.folder)


ROUNDING = b"""from doubling import double
from pkg.halving import half


def test_quagga_doubles():
    assert double(21) == 42


def test_quagga_halves_and_rounds_down():
    assert half(9) == 4
"""


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "hidden"])
def test_acceptance_per_instruction_holds_the_last_step_open_until_it_passes(
    tmp_path: Path, image_id: str, shown: bool
) -> None:
    wrong = SECOND_FILES["pkg/halving.py"].replace("number // 2", "number - number // 2")
    script = [
        Says(NUMBERED),
        wrote(GREEN_FILES),
        DONE,
        wrote({**SECOND_FILES, "pkg/halving.py": wrong}),
        DONE,
        wrote({"pkg/halving.py": SECOND_FILES["pkg/halving.py"]}),
        DONE,
    ]
    done = _run(
        tmp_path,
        image_id,
        script,
        config={"acceptance": {"when": "instruction", "shown": shown}},
        acceptance={"test_rounding.py": ROUNDING},
    )
    first, *_, last = [
        {found["check"]: found["verdict"] for found in event.data["results"]}
        for event in events(done.folder, "report")
    ]
    told = heard_last(done.server.turns[4]) + heard_last(done.server.turns[5])

    assert (done.result.outcome, done.result.instructions_completed) == (Outcome.COMPLETED, 2)
    # Half of what the suite imports is the second step's.
    assert (first["acceptance"], last["acceptance"]) == (Verdict.NOT_APPLICABLE, Verdict.PASSED)
    assert ("test_quagga_halves_and_rounds_down" in told, "5 == 4" in told) == (shown, shown)
    assert ("1 of 2 tests" in told) == (not shown)
    assert all("def test_quagga" not in spoken(body) for body in done.server.requests)
    assert done.result.acceptance is not None
    assert done.result.acceptance.results[0].passed_count == 2
    assert delivered(done.folder) == {**GREEN_FILES, **SECOND_FILES}


@pytest.mark.parametrize(("files", "code"), [(GREEN_FILES, 0), (RED_FILES, 1)], ids=["green", "red"])
def test_a_single_shot_is_one_call_whose_files_are_judged_as_they_are(
    tmp_path: Path, image_id: str, files: dict[str, str], code: int
) -> None:
    done = _run(tmp_path, image_id, [wrote(files)], machine=MachineKind.SINGLE_SHOT, acceptance=ACCEPTANCE)

    assert done.result.machine is MachineKind.SINGLE_SHOT
    assert done.result.exit_code == code
    assert done.result.outcome is (Outcome.CHECKS_FAILED if code else Outcome.COMPLETED)
    assert done.result.acceptance is not None
    assert done.result.calls == len(done.server.requests) == 1
    assert delivered(done.folder) == files


def test_a_strong_model_gives_requirements_mends_its_gaps_splits_a_step_and_the_ledger_tells_it_all(
    tmp_path: Path, image_id: str
) -> None:
    required = called(("requirements", {"requirements": ["double(4) is 8.", "half(8) is 4."]}))
    covering = [
        {**step, "requirements": [number], "check": str(step["files"][1])}
        for number, step in enumerate(TWO_STEPS, start=1)
    ]
    parts = [{"text": "Write it.", "files": ["pkg/halving.py"]}, {"text": "Test it."}]
    split = {"change": "split", "step": 2, "reason": "two things at once", "steps": parts}
    tests = {"test_halving.py": SECOND_FILES["test_halving.py"]}
    script = [
        required,
        called(("program", {"instructions": TWO_STEPS})),
        called(("program", {"instructions": covering})),
        native_wrote(GREEN_FILES),
        NATIVE_DONE,
        called(("revise", split)),
        native_wrote({path: text for path, text in SECOND_FILES.items() if path not in tests}),
        NATIVE_DONE,
        native_wrote(tests),
        NATIVE_DONE,
    ]
    config = {"machine": {"requirement_tries": 2}}
    done = _run(tmp_path, image_id, script, protocol="native", config=config)

    assert done.server.refused == []
    assert "requirement 2 is covered by no step: half(8) is 4." in heard_last(done.server.turns[2])
    assert (done.result.exit_code, done.result.instructions) == (0, 3)
    assert [(entry["state"], entry["shown_by"]) for entry in report_of(done.folder)["requirements"]] == [
        ("shown", ["test_doubling.py::test_doubles"]),
        ("shown", ["test_halving.py::test_it"]),
    ]
    assert [event.data["reason"] for event in events(done.folder, "program_revised")] == [
        "two things at once"
    ]


def test_two_runs_at_the_same_time_do_not_disturb_each_other(
    tmp_path: Path, image_id: str, engine: Engine
) -> None:
    other = {
        "doubling.py": GREEN_FILES["doubling.py"].replace("double", "twice"),
        "test_doubling.py": TESTS.replace("double(", "twice(").replace("import double", "import twice"),
    }
    done: dict[str, Finished] = {}

    def run(name: str, files: dict[str, str]) -> None:
        folder = tmp_path / name
        folder.mkdir()
        done[name] = _run(folder, image_id, [ONE_STEP, wrote(files), DONE])

    threads = [threading.Thread(target=run, args=pair) for pair in (("a", GREEN_FILES), ("b", other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {name: finished.result.exit_code for name, finished in done.items()} == {"a": 0, "b": 0}
    assert delivered(done["a"].folder) == GREEN_FILES
    assert delivered(done["b"].folder) == other
    assert [leftovers(engine, finished.folder.name) for finished in done.values()] == [0, 0]


def test_a_run_folder_that_exists_is_not_touched(tmp_path: Path, image_id: str, engine: Engine) -> None:
    from lmac.errors import ConfigError

    with ScriptedServer([]) as server:
        order = scripted_order(tmp_path, server, image_id)
        order.folder.mkdir(parents=True)
        with pytest.raises(ConfigError, match="exists already"):
            execute(order)

    assert list(order.folder.iterdir()) == []
    assert server.requests == []
    assert leftovers(engine, order.folder.name) == 0
