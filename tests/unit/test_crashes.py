"""Runs that die at any event or byte, and are resumed: nothing is lost, nothing happens twice."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from crashed_runs import Crash, Runs, Told, UnsyncedJournal, crashes, left_by, random_order, synced_pack_bytes
from lmac.commands.show import show_run
from lmac.errors import Divergence, RunCancelled
from lmac.evaluation import CheckResult, Verdict
from lmac.journal import Effect, Event, Policy
from lmac.journal.reading import read_lines
from lmac.journal.tape import SURROUNDINGS
from lmac.report.result import RESULT_NAME
from lmac.transitions import Outcome
from lmac_sandbox import Ending, JobResult
from memory_machine import ReadingCheck


@pytest.fixture
def runs_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Runs]:
    """Runs of a random machine, by its seed."""
    return lambda seed: Runs(monkeypatch, *random_order(seed))


def assert_alike(told: Told, undisturbed: Told, most_lost: int = 1) -> None:
    """The same events, files and outcome; no call was answered twice, and none is missing."""
    assert told.events == undisturbed.events
    assert told.delivered == undisturbed.delivered
    assert told.result.outcome is undisturbed.result.outcome
    assert told.result.exit_code is undisturbed.result.exit_code
    assert told.result.usage == undisturbed.result.usage
    assert told.lost_calls <= most_lost
    assert told.result.calls == undisturbed.result.calls + told.lost_calls


POINTS = {0: 70, 1: 190, 2: 65, 3: 160, 4: 160, 5: 55}
"""By seed, how many times its run dies at least."""
LONG = {1, 3, 4}


def seeds(*numbers: int) -> pytest.MarkDecorator:
    """Once for each; runs of many events are no part of `make test`."""
    marked = [pytest.param(seed, marks=[pytest.mark.slow] if seed in LONG else []) for seed in numbers]
    return pytest.mark.parametrize("seed", marked)


@seeds(*POINTS)
def test_a_run_that_dies_at_any_event_or_byte_ends_as_if_it_had_not(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, whole = runs_of(seed), tmp_path / "whole"
    undisturbed = runs.begin(whole)
    points = list(crashes(whole, random_cuts=20, seed=seed))
    assert len(points) >= POINTS[seed]
    for number, crash in enumerate(points):
        assert_alike(runs.resume(left_by(whole, crash, tmp_path / f"died-{number}")), undisturbed)


def test_runs_die_at_five_hundred_points_or_more() -> None:
    assert sum(POINTS.values()) >= 500


def test_what_a_run_is_made_of_is_on_disk_before_anything_follows_from_it(
    tmp_path: Path, runs_of: Callable[[int], Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(UnsyncedJournal, "sync", lambda _: told.append("sync"))

    runs_of(1).begin(tmp_path / "run", lambda event: told.append(event.kind))

    assert told[:2] == ["run_opened", "sync"]


@seeds(1, 3, 8)
def test_a_power_cut_that_takes_the_contents_since_the_last_reply_costs_nothing_else(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, whole = runs_of(seed), tmp_path / "whole"
    undisturbed = runs.begin(whole)
    lines = list(read_lines(whole))
    for number in range(3, len(lines), 3):
        on_disk = lines[:number]
        journal_bytes = sum(len(line.encoded()) for line in on_disk)
        crash = Crash(journal_bytes, max(synced_pack_bytes(on_disk), lines[0].pack_bytes))
        assert_alike(runs.resume(left_by(whole, crash, tmp_path / f"died-{number}")), undisturbed)


@seeds(1, 2, 3)
def test_a_run_that_dies_again_and_again_ends_as_if_it_had_not(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, whole, dice = runs_of(seed), tmp_path / "whole", random.Random(seed)
    undisturbed = runs.begin(whole)
    for number in range(8):
        folder, deaths = whole, 4
        for death in range(deaths):
            chosen = dice.choice(list(crashes(folder, random_cuts=20, seed=death)))
            folder = left_by(folder, chosen, tmp_path / f"died-{number}-{death}")
            assert_alike(runs.resume(folder), undisturbed, most_lost=deaths)


@seeds(1, 2, 3)
def test_a_run_that_is_interrupted_at_any_event_delivers_what_it_has_and_can_go_on(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs = runs_of(seed)
    undisturbed = runs.begin(tmp_path / "whole")
    for number in range(1, len(undisturbed.events) - 1, 3):
        events = count()

        def cancelling(event: Event, events: count[int] = events, number: int = number) -> None:
            if next(events) == number:
                raise RunCancelled

        folder = tmp_path / f"interrupted-{number}"
        assert runs.begin(folder, cancelling).result.outcome is Outcome.INTERRUPTED
        assert_alike(runs.resume(folder), undisturbed)


def test_a_result_from_before_a_resumption_that_died_is_shown_as_one(
    tmp_path: Path, runs_of: Callable[[int], Runs], capsys: pytest.CaptureFixture[str]
) -> None:
    runs, folder, events = runs_of(2), tmp_path / "interrupted", count()

    def cancelling(event: Event) -> None:
        if next(events) == 8:
            raise RunCancelled

    runs.begin(folder, cancelling)
    show_run(str(folder), tmp_path, as_json=False)
    assert "before it was resumed" not in capsys.readouterr().out
    earlier = (folder / RESULT_NAME).read_bytes()
    runs.resume(folder)
    # The process dies before it has written what came of it.
    (folder / RESULT_NAME).write_bytes(earlier)

    show_run(str(folder), tmp_path, as_json=False)
    assert "before it was resumed" in capsys.readouterr().out
    show_run(str(folder), tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out)["resumed_since"] is True


EXECUTED_AGAIN = Policy(
    taken=frozenset({Effect.MODEL, Effect.SERVER}),
    goes_on=False,
    passed_over=SURROUNDINGS | {"job"},
)
"""The model's replies come from the journal, and nothing is written; all else is had again."""


@pytest.mark.parametrize("seed", [1, 3, 8])
def test_a_run_can_be_gone_through_with_every_check_executed_again(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, whole = runs_of(seed), tmp_path / "whole"
    undisturbed = runs.begin(whole)
    before = {path: path.read_bytes() for path in whole.iterdir() if path.is_file()}
    result = runs.replay(whole, tmp_path / "scratch", EXECUTED_AGAIN)

    assert result.outcome is undisturbed.result.outcome
    assert {path: path.read_bytes() for path in whole.iterdir() if path.is_file()} == before


def test_the_first_event_that_differs_is_named_with_its_field(
    tmp_path: Path, runs_of: Callable[[int], Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, whole = runs_of(1), tmp_path / "whole"
    runs.begin(whole)
    monkeypatch.setattr(ReadingCheck, "judge", _never_passed)
    (first, *_) = (line.event for line in read_lines(whole) if line.event.kind in ("report", "floor"))
    with pytest.raises(Divergence) as told:
        runs.replay(whole, tmp_path / "scratch", EXECUTED_AGAIN)

    assert (told.value.seq, told.value.kind) == (first.seq, first.kind)
    assert told.value.field == "green"
    assert (told.value.recorded, told.value.now) == (True, False)


def _never_passed(check: ReadingCheck, result: JobResult) -> CheckResult:
    return CheckResult(check.name, Verdict.FAILED, Ending.EXITED)
