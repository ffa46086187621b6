"""What the events of a run say that it has come to: the same as the run itself says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crashed_runs import Runs, Told, crashes, left_by, random_order
from lmac.errors import ConfigError
from lmac.evaluation import Report, journalled, read_check_result
from lmac.journal import Event, read_blob, read_journal
from lmac.journal.folding import RunState, fold
from lmac.program.ledger import in_short
from lmac.transitions import MachineKind

SEEDS = range(24)


@pytest.fixture
def runs_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Runs]:
    return lambda seed: Runs(monkeypatch, *random_order(seed))


def assert_folds_to(state: RunState, told: Told) -> None:
    result = told.result
    assert state.outcome is result.outcome
    assert (state.calls, state.usage) == (result.calls, result.usage)
    assert state.seconds == pytest.approx(result.seconds, abs=0.2)
    assert state.acceptance == _in_journal(result.acceptance)
    assert {path: hashlib.sha256(content).hexdigest() for path, content in told.delivered.items()} == (
        state.delivered
    )
    assert state.files == state.delivered
    if result.machine is MachineKind.CONTROL_UNIT:
        assert state.report == _in_journal(result.checks)
        assert {name: list(numbers) for name, numbers in state.ledger.items()} == (
            in_short(result.requirements) if result.requirements else {}
        )
    if state.registry is not None:
        assert len(state.registry.program.instructions) == result.instructions
        assert state.registry.completed == result.instructions_completed


def _in_journal(report: Report | None) -> Report | None:
    """Without what stands beside the journal."""
    if report is None:
        return None
    fields: Any = journalled(report, lambda text: "")
    return Report(report.store_digest, tuple(map(read_check_result, fields["results"])))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_journal_folds_to_what_its_run_ended_with(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    folder = tmp_path / "whole"
    told = runs_of(seed).begin(folder)
    state = fold(read_journal(folder))

    assert_folds_to(state, told)
    assert state.resumed == 0
    assert {path: read_blob(folder, digest) for path, digest in state.files.items()} == told.delivered


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_a_resumed_run_folds_to_the_same_and_says_that_it_was(
    seed: int, tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    runs, whole = runs_of(seed), tmp_path / "whole"
    runs.begin(whole)
    for number, crash in enumerate(list(crashes(whole, random_cuts=0, seed=0))[::9]):
        died = left_by(whole, crash, tmp_path / f"died-{number}")
        told = runs.resume(died)
        state = fold(read_journal(died))
        assert_folds_to(state, told)
        assert state.resumed == 1


def test_a_journal_that_is_cut_at_any_event_folds_to_a_state(
    tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    folder = tmp_path / "whole"
    runs_of(1).begin(folder)
    events = list(read_journal(folder))
    states = [fold(events[:number]) for number in range(len(events) + 1)]

    assert states[0] == RunState()
    assert [state.events for state in states] == list(range(len(events) + 1))
    counters = [state.registry.counter for state in states if state.registry]
    assert counters == sorted(counters)
    assert [state.calls for state in states] == sorted(state.calls for state in states)
    assert all(state.outcome is None for state in states[:-1])


def test_folding_changes_nothing_and_gives_the_same_each_time(
    tmp_path: Path, runs_of: Callable[[int], Runs]
) -> None:
    folder = tmp_path / "whole"
    runs_of(0).begin(folder)
    events = list(read_journal(folder))

    assert fold(iter(events)) == fold(events)
    assert events == list(read_journal(folder))


def test_a_reply_from_the_response_cache_is_a_call_that_costs_nothing() -> None:
    usage = {"prompt_tokens": 5, "reply_tokens": 3, "cached_tokens": 0}
    paid = Event(0, "2026-01-01T00:00:00.000+00:00", "reply", {"usage": usage})
    cached = Event(1, paid.at, "reply", {"usage": usage, "cached": True})
    state = fold([paid, cached])

    assert (state.calls, state.usage.total_tokens) == (2, 8)


def _strange() -> Iterator[Event]:
    for kind in ("program", "report", "reply", "instruction_end", "ledger", "run_closed", "observation"):
        yield Event(0, "2026-01-01T00:00:00.000+00:00", kind, {"results": 1, "files": [1], "outcome": "odd"})


@pytest.mark.parametrize("event", list(_strange()), ids=lambda event: event.kind)
def test_an_event_of_another_version_is_named(event: Event) -> None:
    if event.kind == "instruction_end":
        # There is nothing that could end.
        assert fold([event]).registry is None
        return
    with pytest.raises(ConfigError, match=event.kind):
        fold([event])
