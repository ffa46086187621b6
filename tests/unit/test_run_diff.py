"""Two runs are compared from their folders, whatever lies in them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmac.commands.diff import diff_runs
from lmac.errors import ConfigError
from lmac.evaluation import CheckResult, JudgedTest, Report, Verdict, journalled
from lmac.journal import Journal
from lmac.messages import Usage
from lmac.report.result import RunResult, write_result
from lmac.run_diff import RunDifference, compare_runs, read_run, render_difference
from lmac.run_lock import RecordedLock, RunLock
from lmac.transitions import MachineKind, Outcome
from lmac_sandbox import Ending
from locks import lock

FILES = {"a.py": "def double(number):\n    return number * 2\n", "docs/notes.md": "# Notes\n"}
PASSED = JudgedTest("t.py::test_a", "passed", 0.1)
FAILED = JudgedTest("t.py::test_b", "failed", 0.1)


def judged(*tests: JudgedTest, check: str = "tests") -> CheckResult:
    failed = sum(test.outcome != "passed" for test in tests)
    verdict = Verdict.FAILED if failed else Verdict.PASSED
    passed = len(tests) - failed
    return CheckResult(check, verdict, Ending.EXITED, (), passed, failed, counts_tests=True, tests=tests)


RESULT = RunResult(
    run_id="r",
    folder="r",
    task="a",
    model="m",
    machine=MachineKind.CONTROL_UNIT,
    outcome=Outcome.COMPLETED,
    error="",
    next_step="",
    instructions=1,
    instructions_completed=1,
    files=2,
    lines=3,
    checks=Report("d", (judged(PASSED),)),
    acceptance=None,
    usage=Usage(100, 20, 50),
    calls=2,
    cost=1.5,
    seconds=10.0,
)


def run(
    folder: Path,
    name: str,
    *,
    files: Mapping[str, str | bytes] = FILES,
    steps: tuple[str, ...] = ("Write a.py.",),
    requirements: tuple[str, ...] = ("It doubles.",),
    recorded: RunLock | None = None,
    result: RunResult | None = RESULT,
) -> Path:
    """A run's folder, as a run leaves it."""
    place = folder / name
    place.mkdir()
    with Journal(place) as journal:
        journal.append("run_opened", task="Write a.py.", machine="control-unit")
        RecordedLock(recorded or lock(), journal, place)
        listed = [{"number": number, "text": text} for number, text in enumerate(requirements, start=1)]
        journal.append("requirements", requirements=listed)
        journal.append("program", instructions=[{"text": text} for text in steps], requirements=listed)
        usage = {"prompt_tokens": 50, "reply_tokens": 10, "cached_tokens": 5}
        journal.append("reply", usage=usage)
        journal.append("reply", usage=usage, cached=True)
        journal.append("report", **journalled(Report("d", (judged(FAILED),))))
        journal.append("instruction_end", instruction=0, end="completed")
    for path, content in files.items():
        (place / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (place / "files" / path).write_bytes(content.encode() if isinstance(content, str) else content)
    if result is not None:
        write_result(place, replace(result, run_id=name))
    return place


def compared(folder: Path, **b: Any) -> RunDifference:
    """A plain run and another one, beside each other."""
    return compare_runs(read_run(run(folder, "a")), read_run(run(folder, "b", **b)))


def test_runs_that_differ_in_time_and_cost_alone_are_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path, result=replace(RESULT, seconds=99.0, cost=7.0, usage=Usage(100, 20, 0)))

    assert found.same
    assert found.files_alike == 2
    said = render_difference(found)
    assert "seconds: 10.0 -> 99.0  (does not count)" in said
    assert "the runs are the same; 2 files are alike" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recorded": lock(image={"id": "sha256:2"})}, "image.id: sha256:1 -> sha256:2"),
        ({"recorded": lock(engine={"kernel": "6.2"})}, "engine.kernel: 6.1 -> 6.2  (only told)"),
        ({"steps": ("Write a.py.", "Write b.py.")}, "  +2. [open] Write b.py."),
        ({"requirements": ("It doubles.", "It halves.")}, "  +It halves."),
        ({"result": replace(RESULT, outcome=Outcome.BUDGET_SPENT)}, "outcome: completed -> budget spent"),
        ({"result": replace(RESULT, calls=3)}, "calls: 2 -> 3"),
        ({"result": replace(RESULT, cached_replies=2)}, "cached replies: 0 -> 2"),
        ({"result": replace(RESULT, usage=Usage(101, 20, 50))}, "prompt tokens: 100 -> 101"),
        ({"result": None}, "outcome: completed -> unfinished"),
        ({"files": {**FILES, "b.py": "x = 1\n"}}, "added    b.py  - -> 6 bytes, +1 -0 lines"),
        ({"files": {"a.py": FILES["a.py"]}}, "removed  docs/notes.md  8 -> - bytes, +0 -1 lines"),
    ],
)
def test_each_other_difference_counts_and_is_told(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    found = compared(tmp_path, **changes)

    assert not found.same
    assert said in render_difference(found)
    assert "the runs differ" in render_difference(found)


def test_a_changed_file_is_shown_line_by_line_where_it_changed(tmp_path: Path) -> None:
    many = [f"line {number}" for number in range(200)]
    changed = [*many[:100], "another", *many[101:]]
    a = run(tmp_path, "a", files={"a.txt": "\n".join(many)})
    b = run(tmp_path, "b", files={"a.txt": "\n".join(changed)})

    (change,) = compare_runs(read_run(a), read_run(b)).files

    assert change.diff == (
        "@@ -98,7 +98,7 @@",
        *(f" line {number}" for number in (97, 98, 99)),
        "-line 100",
        "+another",
        *(f" line {number}" for number in (101, 102, 103)),
    )
    assert (change.lines_added, change.lines_removed) == (1, 1)


def test_tests_with_other_results_are_named(tmp_path: Path) -> None:
    both = Report("d", (judged(PASSED, FAILED), judged(PASSED, check="acceptance")))
    found = compared(tmp_path, result=replace(RESULT, checks=both))

    said = render_difference(found)

    assert "tests: passed, 1 passed, 0 failed -> failed, 1 passed, 1 failed" in said
    assert "t.py::test_b: not listed -> failed" in said
    assert "test_a" not in said
    assert "acceptance: not judged -> passed, 1 passed, 0 failed" in said


def test_a_run_that_has_not_ended_is_told_from_its_journal(tmp_path: Path) -> None:
    record = read_run(run(tmp_path, "a", result=None))

    assert (record.outcome, record.calls, record.cached_replies) == ("unfinished", 2, 1)
    assert (record.prompt_tokens, record.reply_tokens) == (50, 10)
    assert record.program == ("1. [completed] Write a.py.",)
    assert [result.verdict for result in record.checks] == [Verdict.FAILED]
    assert record.lock == lock()


def test_runs_without_locks_can_be_compared(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        with Journal(tmp_path / name) as journal:
            journal.append("run_opened", task="t", machine="loop")
    run(tmp_path, "c")
    a, b, c = (read_run(tmp_path / name) for name in "abc")

    assert compare_runs(a, b).same
    assert compare_runs(a, c).without_lock == ("a",)
    assert "a recorded none" in render_difference(compare_runs(a, c))


# What models write


def test_nothing_that_a_model_wrote_acts_on_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\u202e\r"
    found = compared(
        tmp_path,
        files={f"e\x1b[31m{evil[-2]}.txt": f"{evil}\nmore\n", "a.py": f"{evil}\n"},
        steps=(f"Write {evil}\nall\n",),
        requirements=(evil,),
        result=replace(RESULT, checks=Report("d", (judged(JudgedTest(evil, "failed", 0.0), check=evil),))),
    )

    said = render_difference(found)

    assert all(char.isprintable() or char == "\n" for char in said)
    assert "\\x1b]0;owned\\x07" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\x00\x01", "no text, or too long"), (b"\xff\xfe", "no text"), (b"x" * (2**20 + 1), "too long")],
)
def test_what_is_no_text_is_told_by_its_size(tmp_path: Path, content: bytes, said: str) -> None:
    found = compared(tmp_path, files={**FILES, "data": content})

    (change,) = found.files
    assert change.bytes_b == len(content)
    assert said in change.unshown
    assert f"- -> {len(content)} bytes" in render_difference(found)


def test_other_ends_of_lines_are_a_difference(tmp_path: Path) -> None:
    found = compared(tmp_path, files={**FILES, "a.py": FILES["a.py"].replace("\n", "\r\n")})

    assert [change.unshown for change in found.files] == ["the ends of its lines differ"]
    assert not found.same


def test_files_that_take_long_to_compare_take_no_longer_than_they_may(tmp_path: Path) -> None:
    old = {f"{number}.txt": "\n".join("ab" * 400) for number in range(60)}
    new = {f"{number}.txt": "\n".join("ba" * 400 + "c") for number in range(60)}
    a, b = run(tmp_path, "a", files=old), run(tmp_path, "b", files=new)
    ticks = iter(range(1000))

    found = compare_runs(read_run(a), read_run(b), clock=lambda: float(next(ticks)))

    unshown = [change.unshown for change in found.files]
    assert unshown.count("") == 10
    assert unshown.count("no time left to compare its lines") == 50


def test_long_files_without_a_common_beginning_are_not_compared_line_by_line(tmp_path: Path) -> None:
    began = time.process_time()
    a = run(tmp_path, "a", files={"a.txt": "\n".join(str(number % 7) for number in range(200_000))})
    b = run(tmp_path, "b", files={"a.txt": "\n".join(str(number % 5) for number in range(1, 200_000))})

    (change,) = compare_runs(read_run(a), read_run(b)).files

    assert "more than 1000 lines" in change.unshown
    assert time.process_time() - began < 5


def test_links_and_pipes_among_the_files_are_none(tmp_path: Path) -> None:
    place = run(tmp_path, "a")
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (place / "files" / "link.txt").symlink_to(secret)
    (place / "files" / "folder").symlink_to(tmp_path)
    os.mkfifo(place / "files" / "pipe")

    assert sorted(read_run(place).files) == ["a.py", "docs/notes.md"]


# The command


def test_the_command_ends_as_diff_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "a")
    run(tmp_path, "b")
    run(tmp_path, "c", files={"a.py": "x = 1\n"})

    assert diff_runs("a", "b", tmp_path, stat=False, as_json=False) == 0
    assert diff_runs("a", "c", tmp_path, stat=False, as_json=False) == 1
    whole = capsys.readouterr().out
    assert diff_runs(str(tmp_path / "a"), "c", tmp_path, stat=True, as_json=False) == 1
    short = capsys.readouterr().out

    assert "-def double(number):" in whole
    assert "-def double(number):" not in short
    assert "changed  a.py  42 -> 6 bytes" in short


def test_json_holds_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "a")
    run(tmp_path, "b", files={**FILES, "ä.py": "ö = 1\n"}, recorded=lock(image={"id": "sha256:2"}))

    diff_runs("a", "b", tmp_path, stat=False, as_json=True)

    said = capsys.readouterr().out
    told = json.loads(said)
    assert said.isascii()
    assert told["same"] is False
    assert told["lock"] == [{"path": "image.id", "a": "sha256:1", "b": "sha256:2", "drift": "decides"}]
    assert told["files"][0]["path"] == "ä.py"
    assert told["files"][0]["diff"] == ["@@ -0,0 +1 @@", "+ö = 1"]


def test_a_run_that_is_not_there_or_was_changed_is_named(tmp_path: Path) -> None:
    run(tmp_path, "a")
    place = run(tmp_path, "b")
    journal = place / "journal.jsonl"
    journal.write_text(journal.read_text().replace("control-unit", "control-unix"))

    with pytest.raises(ConfigError, match="no such run"):
        diff_runs("a", "z", tmp_path, stat=False, as_json=False)
    with pytest.raises(ConfigError, match="changed"):
        diff_runs("a", "b", tmp_path, stat=False, as_json=False)


def test_an_event_that_no_run_writes_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with Journal(tmp_path / "a") as journal:
        journal.append("program", instructions=[{"no": "text"}])

    with pytest.raises(ConfigError, match=r"event 0 \(program\): not as a run writes it"):
        read_run(tmp_path / "a")
