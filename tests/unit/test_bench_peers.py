"""Beside peers: a time counts only for a job that ended green, and the tables say what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from bench.peers.drivers.serve import Files, Mode, Peer, Sandbox, obey
from bench.peers.job import COMMANDS, NotGreen, Ran, Took, demand_green, joined, split
from bench.peers.remote import DriverFailed
from bench.peers.table import Row, facts_table, speed_table
from bench.peers.turns import take_turns

GREEN = [Ran(0, ""), Ran(0, "All checks passed!\n"), Ran(0, "...\n3 passed in 0.01s\n")]
SEEN: dict[str, Any] = {
    "uid": 0,
    "capabilities": 14,
    "no_new_privileges": False,
    "seccomp_mode": 2,
    "interfaces": ["eth0", "lo"],
    "root_writable": True,
    "pids": None,
    "memory_bytes": 512 * 2**20,
    "writes_1_gib": True,
    "after_time_limit": "CommandTimeoutError",
    "processes_left": 1,
}


class Recorded(Sandbox):
    """Answers every command with what it was given."""

    def __init__(self, answers: list[Ran]) -> None:
        self.answers = answers
        self.files: Files = {}

    def put(self, files: Files) -> None:
        self.files = files

    def run(self, command: str) -> Ran:
        if "exit $?" in command:
            printed = "".join(f"{ran.output}exit {ran.exit_code}\n" for ran in self.answers)
            return Ran(0, printed)
        return self.answers[COMMANDS.index(command)]


def ordered(answers: list[Ran], mode: str) -> dict[str, Any]:
    @contextmanager
    def sandbox() -> Iterator[Sandbox]:
        yield Recorded(answers)

    peer = Peer("1.0", {"warm": Mode(sandbox), "warm, one call": Mode(sandbox, one_call=True)})
    return obey(peer, {"do": "sample", "mode": mode, "files": {"counter.py": ""}})


@pytest.mark.parametrize("mode", ["warm", "warm, one call"])
def test_a_green_job_gives_its_times(mode: str) -> None:
    took = Took(**ordered(GREEN, mode))

    assert 0 < took.until_result <= took.whole


@pytest.mark.parametrize("mode", ["warm", "warm, one call"])
@pytest.mark.parametrize("failing", range(3))
def test_a_job_with_a_failed_command_gives_no_time(mode: str, failing: int) -> None:
    answers = [Ran(1, ran.output) if number == failing else ran for number, ran in enumerate(GREEN)]

    assert ordered(answers, mode)["error"].startswith("NotGreen")


@pytest.mark.parametrize(
    "ran", [[], GREEN[:2], [*GREEN, GREEN[2]], [*GREEN[:2], Ran(0, "2 passed, 1 skipped in 0.01s")]]
)
def test_missing_commands_and_missing_tests_are_not_green(ran: list[Ran]) -> None:
    with pytest.raises(NotGreen):
        demand_green(ran)


def test_one_line_for_a_shell_holds_every_command_and_gives_every_exit_code() -> None:
    assert all(command in joined() for command in COMMANDS)
    assert split("exit 0\r\nAll fine\nexit 1\n3 passed\nexit 0\n") == [
        Ran(0, ""),
        Ran(1, "\nAll fine\n"),
        Ran(0, "\n3 passed\n"),
    ]


def test_who_fails_once_is_named_with_the_reason_and_has_no_row() -> None:
    calls = iter([Took(0.1, 0.1)])

    def failing(files: Mapping[str, str]) -> Took:
        try:
            return next(calls)
        except StopIteration:
            raise DriverFailed("no port is free") from None

    samples = {("LMAC", "ready"): lambda files: Took(0.2, 0.3), ("peer 1.0", "warm"): failing}

    rows, failed = take_turns(samples, rounds=2, pause_seconds=0)

    assert rows == [Row("LMAC", "ready", (Took(0.2, 0.3), Took(0.2, 0.3)))]
    assert failed == {"peer 1.0, warm": "no port is free"}


def test_the_speed_table_shows_medians_and_the_median_of_the_ratios_within_a_round() -> None:
    rows = [
        Row("LMAC", "ready", (Took(0.1, 0.1), Took(0.2, 0.2), Took(0.9, 0.9))),
        Row("peer 1.0", "fresh", (Took(0.4, 1.5), Took(1.2, 2.0), Took(4.5, 5.5))),
    ]

    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in speed_table(rows, ["ready"]).splitlines()
    ]

    assert lines[0][-1] == "x LMAC, ready"
    assert lines[2:] == [
        ["LMAC", "ready", "200 (100-900)", "200", "1.0"],
        ["peer 1.0", "fresh", "1200 (400-4500)", "2000", "5.0"],
    ]


def test_the_facts_table_says_what_holds_in_words() -> None:
    unlimited = SEEN | {"uid": 65532, "interfaces": ["lo"], "after_time_limit": None}

    table = facts_table({"peer": SEEN, "other": unlimited})
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in table.splitlines()
    }

    assert rows["user of the code"] == ["root", "uid 65532"]
    assert rows["network"] == ["eth0", "none"]
    assert rows["processes"] == ["no limit", "no limit"]
    assert rows["memory"] == ["512 MiB", "512 MiB"]
    assert rows["left to the next job after a time limit"] == ["1 of 2 processes", "it has no time limit"]
