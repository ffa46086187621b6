"""The result of a run: its exit code, its file, its words, and the exported files."""

from __future__ import annotations

import errno
import json
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.errors import ConfigError, ExitCode, HostDiskFull
from lmac.evaluation import CheckResult, FileCoverage, Finding, JudgedTest, Report, Verdict
from lmac.file_store import FileStore
from lmac.messages import Usage
from lmac.program.ledger import LedgerEntry, RequirementState
from lmac.report.export import Exported, export_files
from lmac.report.result import RESULT_NAME, RunResult, read_result, write_result
from lmac.report.summary import render_ledger, render_summary
from lmac.transitions import MachineKind, Outcome
from lmac_sandbox import BadPath, Ending, PathRejected, Reuse, check_path
from memory_keeper import MemoryKeeper

GREEN = Report("d", (CheckResult("tests", Verdict.PASSED, Ending.EXITED, passed_count=3, counts_tests=True),))
RED = Report("d", (CheckResult("tests", Verdict.FAILED, Ending.EXITED, (Finding("t::a", "no"),), 2, 1),))
RESULT = RunResult(
    run_id="r1",
    folder="runs/r1",
    task="stack",
    model="m",
    machine=MachineKind.CONTROL_UNIT,
    outcome=Outcome.COMPLETED,
    error="",
    next_step="",
    instructions=2,
    instructions_completed=2,
    files=3,
    lines=40,
    checks=GREEN,
    acceptance=GREEN,
    usage=Usage(100, 20, 50),
    calls=4,
    cost=None,
    seconds=75.0,
)
EXIT_CODES = {
    Outcome.COMPLETED: ExitCode.OK,
    Outcome.INSTRUCTION_GIVEN_UP: ExitCode.CHECKS_FAILED,
    Outcome.CHECKS_FAILED: ExitCode.CHECKS_FAILED,
    Outcome.BUDGET_SPENT: ExitCode.BUDGET,
    Outcome.MODEL_FAILED: ExitCode.MODEL,
    Outcome.SANDBOX_FAILED: ExitCode.SANDBOX,
    Outcome.WINDOW_TOO_SMALL: ExitCode.MODEL,
    Outcome.INTERRUPTED: ExitCode.INTERRUPTED,
    Outcome.FAULT: ExitCode.FAULT,
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_the_exit_code_of_its_family(outcome: Outcome) -> None:
    assert replace(RESULT, outcome=outcome).exit_code is EXIT_CODES[outcome]


@pytest.mark.parametrize(
    ("checks", "acceptance", "exit_code"),
    [
        (GREEN, None, 0),
        (GREEN, GREEN, 0),
        (GREEN, RED, 1),
        (RED, GREEN, 1),
        (None, GREEN, 1),
        (Report("d", ()), None, 1),
        (GREEN, Report("d", ()), 1),
    ],
)
def test_a_completed_run_is_0_only_if_all_that_was_judged_is_green(
    checks: Report | None, acceptance: Report | None, exit_code: int
) -> None:
    assert replace(RESULT, checks=checks, acceptance=acceptance).exit_code == exit_code


RESULTS = st.builds(
    replace,
    st.just(RESULT),
    outcome=st.sampled_from(Outcome),
    error=st.text(max_size=20),
    checks=st.sampled_from([None, GREEN, RED]),
    acceptance=st.sampled_from([None, GREEN, RED]),
    seconds=st.floats(0, 1e6),
    machine=st.sampled_from(MachineKind),
)


@given(RESULTS)
def test_a_result_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, result: RunResult
) -> None:
    folder = tmp_path_factory.mktemp("run")
    write_result(folder, result)

    assert read_result(folder) == result
    written = json.loads((folder / RESULT_NAME).read_text("utf-8"))
    assert (written["exit_code"], written["cached_share"]) == (result.exit_code, 0.5)
    assert [path.name for path in folder.iterdir()] == [RESULT_NAME]


NO_RESULTS = ["", "{", "[]", "null", "3", '"x"', "{}", '{"exit_code": 0}', "\x00", "[1]", "[" * 100_000]


@pytest.mark.parametrize("text", NO_RESULTS, ids=lambda text: text[:20])
def test_a_file_that_is_no_result_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / RESULT_NAME).write_text(text)
    with pytest.raises(ConfigError, match="this is no result of a run"):
        read_result(tmp_path)


def test_results_and_deliveries_are_on_disk_before_anyone_relies_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    kernel = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        kernel(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    keeper = MemoryKeeper()
    keeper.write("a/b/one.py", b"1")
    keeper.write("two.py", b"2")
    export_files(FileStore(keeper), tmp_path / "files")
    write_result(tmp_path, RESULT)

    delivered = {"one.py", "two.py", "b", "a", "files", tmp_path.name}
    assert set(synced) == delivered | {f"{RESULT_NAME}.partial"}
    assert synced[-1] == tmp_path.name, "the name of the result comes last"


def test_a_result_for_which_there_is_no_space_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    write_result(tmp_path, RESULT)
    # File systems that find room late say so here.
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostDiskFull, match=str(tmp_path)):
        write_result(tmp_path, replace(RESULT, files=9))

    assert read_result(tmp_path) == RESULT


def test_a_link_in_a_run_folder_of_somebody_else_leads_no_result_elsewhere(tmp_path: Path) -> None:
    folder, precious = tmp_path / "run", tmp_path / "precious"
    folder.mkdir()
    precious.write_text("mine")
    (folder / f"{RESULT_NAME}.partial").symlink_to(precious)

    write_result(folder, RESULT)

    assert precious.read_text() == "mine"
    assert read_result(folder) == RESULT
    assert not (folder / RESULT_NAME).is_symlink()


def test_a_run_without_a_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=RESULT_NAME):
        read_result(tmp_path / "absent")


def test_the_summary_says_outcome_cost_and_where_to_look() -> None:
    text = render_summary(RESULT)

    for part in (
        "completed, accepted (exit code 0)",
        "2 of 2",
        "3 with 40 lines",
        "tests passed (3 passed",
        "50% cached",
    ):
        assert part in text
    assert "1 min 15 s" in text
    assert "6 min 0 s" in render_summary(replace(RESULT, seconds=359.5))
    assert "runs/r1/files" in text


def test_the_summary_of_a_baseline_says_so() -> None:
    text = render_summary(replace(RESULT, machine=MachineKind.LOOP))

    assert "machine  loop, a baseline\n" in text
    assert "2 of 2" not in text


def test_the_summary_names_claims_coverage_and_slow_tests() -> None:
    tests = (JudgedTest("t::b", "failed", 0.1), JudgedTest("t::slow", "passed", 2.0))
    (judged,) = GREEN.results
    judged = replace(judged, claimed=True, tests=tests, coverage=(FileCoverage("a.py", 3, 1, (2,)),))
    text = render_summary(replace(RESULT, checks=Report("d", (judged,))))

    assert "tests passed (3 passed, 0 failed, claimed by the tests' own process, 66 % of lines run)" in text
    assert "slowest  t::slow 2.0 s\n" in text
    assert "slowest" not in render_summary(RESULT)


def test_a_result_keeps_each_test_and_its_time(tmp_path: Path) -> None:
    tests = (JudgedTest("t::a", "passed", 0.25),)
    (judged,) = GREEN.results
    judged = replace(judged, claimed=True, tests=tests, coverage=(FileCoverage("a.py", 3, 1, (2,)),))
    result = replace(RESULT, checks=Report("d", (judged,)))
    write_result(tmp_path, result)

    assert read_result(tmp_path) == result
    assert json.loads(result.as_json())["checks"]["results"][0]["tests"] == [["t::a", "passed", 0.25]]


def test_the_summary_says_when_tests_ran_in_a_box_that_served_before() -> None:
    (tests,) = GREEN.results
    lint = CheckResult("lint", Verdict.PASSED, Ending.EXITED, reuse=Reuse.RUN)
    reused = replace(RESULT, checks=Report("d", (lint, replace(tests, reuse=Reuse.RUN))))

    assert "lint passed (box of grade run); tests passed (3 passed, 0 failed, box of grade run)" in (
        render_summary(reused)
    )
    assert "grade" not in render_summary(RESULT)


LEDGER = (
    LedgerEntry(1, "It doubles.", RequirementState.SHOWN, (1,), tuple(f"t.py::test_{n}" for n in range(5))),
    LedgerEntry(2, "It halves.", RequirementState.BUILT, (1, 2)),
    LedgerEntry(4, "\x1b[2J", RequirementState.OPEN, ()),
)


def test_the_summary_and_the_ledger_say_what_became_of_each_requirement() -> None:
    assert "2 of 3 built, 1 of them shown by checks; open: 4" in render_summary(
        replace(RESULT, requirements=LEDGER)
    )
    assert "requirements" not in render_summary(RESULT)
    assert render_ledger(LEDGER).split("\n") == [
        "requirement 1 [shown by t.py::test_0, t.py::test_1, t.py::test_2 and 2 more; step 1] It doubles.",
        "requirement 2 [built; step 1, 2] It halves.",
        "requirement 4 [open] \\x1b[2J",
    ]


def test_a_result_keeps_the_ledger_and_one_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    result = replace(RESULT, requirements=LEDGER)
    write_result(tmp_path, result)
    assert read_result(tmp_path) == result

    fields = json.loads((tmp_path / RESULT_NAME).read_text("utf-8"))
    del fields["requirements"]
    (tmp_path / RESULT_NAME).write_text(json.dumps(fields))
    assert read_result(tmp_path) == RESULT


@given(RESULTS)
def test_no_result_breaks_the_summary(result: RunResult) -> None:
    assert f"exit code {int(result.exit_code)}" in render_summary(result)


@given(RESULTS, st.text(alphabet="\x1b\x07\x9b\r\n\u202e\u2028a[2J", max_size=12))
def test_nothing_in_a_summary_is_obeyed_by_a_terminal_or_looks_like_a_row(
    result: RunResult, hostile: str
) -> None:
    rows = len(render_summary(replace(result, error="x", next_step="y")).splitlines())
    hostile_result = replace(result, error=f"x{hostile}", next_step=f"y{hostile}")
    lines = render_summary(hostile_result).split("\n")

    assert all(line.isprintable() for line in lines)
    assert sum(not line.startswith(" " * 13) for line in lines) == rows


def test_the_summary_points_only_to_what_is_there(tmp_path: Path) -> None:
    nothing = replace(RESULT, folder=str(tmp_path), files=0)
    assert f"{tmp_path}/files" not in render_summary(nothing)

    (tmp_path / "files").mkdir()
    assert f"{tmp_path}/files, " in render_summary(nothing)


@pytest.mark.parametrize("folder", ["elsewhere/r1", "/data/my runs/r1"])
def test_the_command_that_a_summary_names_works_for_any_runs_folder(folder: str) -> None:
    command = render_summary(replace(RESULT, folder=folder)).split("`")[1]

    assert shlex.split(command) == ["lmac", "show", folder]


def store_of(files: dict[str, bytes]) -> FileStore:
    keeper = MemoryKeeper()
    for path, content in files.items():
        try:
            keeper.write(path, content)
        except PathRejected:
            continue
    return FileStore(keeper)


def is_legal(path: str) -> bool:
    try:
        return bool(check_path(path))
    except BadPath:
        return False


PATHS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3).map("/".join).filter(is_legal)


@given(st.dictionaries(PATHS, st.binary(max_size=20), max_size=6))
def test_every_legal_store_is_exported_as_it_is_and_nothing_outside(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    store = store_of(files)
    around = tmp_path_factory.mktemp("around")
    exported = export_files(store, around / "files")
    held = {
        path.relative_to(around / "files").as_posix(): path.read_bytes()
        for path in (around / "files").rglob("*")
        if path.is_file()
    }

    assert held == dict(store.files())
    assert exported.files == len(held)
    assert [path.name for path in around.iterdir()] == ["files"]


def test_exported_files_are_plain_and_counted(tmp_path: Path) -> None:
    exported = export_files(store_of({"run.sh": b"#!/bin/sh\nls\n", "a/b.py": b"x"}), tmp_path / "files")

    assert exported == Exported(files=2, lines=3)
    assert not os.access(tmp_path / "files" / "run.sh", os.X_OK)


class ScriptedKeeper(MemoryKeeper):
    """Holds a path that no keeper would take, as a hostile one might."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.files = {path: b"x"}


@pytest.mark.parametrize("path", ["../out", "/tmp/out", "a/../../out", ".git/hooks/pre-commit", "a\x00b"])
def test_an_export_never_leaves_its_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadPath):
        export_files(FileStore(ScriptedKeeper(path)), tmp_path / "files")

    assert list(tmp_path.rglob("*")) == [tmp_path / "files"]


def test_an_export_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with pytest.raises(FileExistsError):
        export_files(store_of({"a": b"x"}), tmp_path / "files")
