"""The commands that read runs, as a shell runs them: list, logs, watch, report, files, export."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from command_line import LMAC, Shell
from lmac.evaluation import Finding, Verdict
from lmac.transitions import Outcome
from recorded_run import RecordedRun

HOSTILE = "\x1b]0;taken\x07\u202e\nrow"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with three runs: one that ended well, one that did not, and one that was killed."""
    runs = tmp_path / "runs"
    good = RecordedRun(runs / "good", "# Counting\n\nCount.")
    good.window(0)
    good.program("Write counting.py.")
    good.ask("a reply")
    good.write("counting.py", "one = 1\n")
    good.write("pkg/text.txt", f"tab\there {HOSTILE}\n")
    good.judge(tests=Verdict.PASSED)
    good.end_instruction(0)
    good.close()
    bad = RecordedRun(runs / "bad", HOSTILE)
    bad.window(0)
    bad.ask(HOSTILE)
    bad.observe(HOSTILE, {"path": HOSTILE}, HOSTILE, ok=False)
    bad.judge(tests=[Finding(HOSTILE, HOSTILE)])
    bad.close(Outcome.MODEL_FAILED, error=HOSTILE)
    killed = RecordedRun(runs / "killed")
    killed.window(0)
    killed.ask("a reply")
    killed.leave()
    return Shell(tmp_path)


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What a terminal gets to show."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([LMAC, *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:
        # The other end of a terminal that nobody has open.
        pass
    os.close(ours)
    process.wait()
    return said.decode()


def test_runs_are_listed_with_what_came_of_them(shell: Shell) -> None:
    done = shell.lmac("list")
    head, *rows = done.stdout.splitlines()

    assert done.code == 0
    assert head.split() == ["run", "task", "model", "outcome", "when", "tokens", "cost"]
    assert len(rows) == 3
    assert {row.split()[0] for row in rows} == {"good", "bad", "killed"}
    assert "\x1b" not in done.stdout
    (good,) = [row for row in rows if row.startswith("good")]
    assert "Counting" in good
    assert "completed" in good


def test_a_list_can_be_read_by_programs(shell: Shell) -> None:
    runs = {run["run_id"]: run for run in json.loads(shell.lmac("list", "--json").stdout)}

    assert runs["good"]["outcome"] == "completed"
    assert runs["good"]["exit_code"] == 0
    assert runs["bad"]["exit_code"] == 4
    assert (runs["killed"]["outcome"], runs["killed"]["exit_code"]) == ("not ended", None)
    assert runs["killed"]["tokens"] > 0


def test_a_folder_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    done = Shell(tmp_path).lmac("list")

    assert (done.code, done.stdout) == (0, "")
    assert "`lmac run TASK`" in done.stderr


def test_a_folder_that_is_no_run_does_not_hide_the_others(shell: Shell) -> None:
    for name, text in (("torn", '{"seq": 0'), ("changed", '{"seq": 7}\n'), ("zeros", "\0" * 100 + "\n")):
        folder = shell.folder / "runs" / name
        folder.mkdir()
        (folder / "journal.jsonl").write_text(text)
    (shell.folder / "runs" / "good" / "report.json").write_text('{"task": 7, "outcome": ["x"], "usage": 3}')

    runs = {run["run_id"]: run["outcome"] for run in json.loads(shell.lmac("list", "--json").stdout)}

    assert runs.pop("good") == "not ended"
    assert runs == {
        "bad": "model failed",
        "killed": "not ended",
        "torn": "not ended",
        "changed": "unreadable",
        "zeros": "unreadable",
    }


def test_logs_tell_a_line_an_event_at_its_own_time(shell: Shell) -> None:
    done = shell.lmac("logs", "good", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.code == 0
    assert (told[0]["event"], told[-1]["event"]) == ("run opened", "run closed")
    journal = (shell.folder / "runs" / "good" / "journal.jsonl").read_text().splitlines()
    assert told[0]["timestamp"] == json.loads(journal[0])["at"]


def test_logs_of_a_hostile_run_move_no_cursor(shell: Shell) -> None:
    said = shell.lmac("logs", "bad").stdout

    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "\\x1b]0;taken" in said


def test_a_run_that_was_killed_is_followed_to_where_it_ends(shell: Shell) -> None:
    done = shell.lmac("logs", "killed", "--follow")

    done.complained(130, "the process that carried killed out is gone")
    assert "reply" in done.stdout


def test_a_watched_run_ends_with_its_summary_and_its_exit_code(shell: Shell) -> None:
    good, bad = shell.lmac("watch", "good"), shell.lmac("watch", "bad")

    assert good.code == 0
    assert "run closed" in good.stdout
    assert "1 of 1 completed" in good.stdout
    assert bad.code == 4


def test_a_terminal_shows_where_a_run_stands(shell: Shell) -> None:
    said = on_a_terminal(shell.folder, "watch", "good")

    assert "outcome" in said
    assert "completed" in said


def test_a_report_is_one_file_in_the_run_s_folder(shell: Shell) -> None:
    done = shell.lmac("report", "good", "--open", "no")

    assert done.stdout == "runs/good/report.html\n"
    assert (shell.folder / "runs" / "good" / "report.html").read_text().startswith("<!doctype html>")


def test_a_report_goes_where_it_is_wanted_and_follows_no_link(shell: Shell) -> None:
    precious = shell.folder / "precious"
    precious.write_text("mine")
    (shell.folder / "out.html").symlink_to(precious)

    done = shell.lmac("report", "good", "-o", "out.html")

    assert done.code == 0
    assert precious.read_text() == "mine"
    assert "<!doctype html>" in (shell.folder / "out.html").read_text()
    shell.lmac("report", "good", "-o", "no/such/out.html").complained(2, "no/such", "-o")


def test_files_are_listed_and_printed(shell: Shell) -> None:
    assert shell.lmac("files", "good").stdout.split() == (
        ["1", "lines", "8", "bytes", "counting.py", "2", "lines", "27", "bytes", "pkg/text.txt"]
    )
    assert shell.lmac("files", "good", "counting.py").stdout == "one = 1\n"
    assert shell.lmac("files", "good", "pkg/text.txt").stdout == f"tab\there {HOSTILE}\n"
    shell.lmac("files", "good", "countin.py").complained(2, "did you mean counting.py?")
    shell.lmac("files", "good", "../../../etc/passwd").complained(2, "no such file")


def test_a_file_on_a_terminal_is_not_obeyed(shell: Shell) -> None:
    said = on_a_terminal(shell.folder, "files", "good", "pkg/text.txt")

    assert said == "tab\there \\x1b]0;taken\\x07\\u202e\r\nrow\r\n"


@pytest.mark.parametrize("form", ["dir", "tar", "zip", "git"])
def test_a_run_is_exported_once(shell: Shell, form: str) -> None:
    done = shell.lmac("export", "good", "--as", form, "-o", "out")

    assert done.code == 0
    assert done.stdout in ("out: 2 files\n", "out: 1 commit\n")
    shell.lmac("export", "good", "--as", form, "-o", "out").complained(2, "exists already", "-o")


@pytest.mark.parametrize("command", ["report", "logs", "watch", "files", "export -o out"])
def test_a_run_that_is_not_there_names_those_that_are(shell: Shell, command: str) -> None:
    name, *rest = command.split()

    shell.lmac(name, "god", *rest).complained(2, "'god'", "killed, good, bad")


@pytest.mark.parametrize("command", ["list", "logs", "watch", "report", "files", "export"])
def test_each_command_shows_an_example(shell: Shell, command: str) -> None:
    assert f"  lmac {command}" in shell.lmac(command, "--help").stdout
