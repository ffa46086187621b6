"""Runs that die at every event and at random bytes, and are resumed: nothing is lost, nothing happens twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from crashed_runs import Runs, crashes, left_by, random_order
from lmac.journal import read_journal


@pytest.mark.parametrize("seed", range(12))
def test_a_run_that_dies_anywhere_ends_as_if_it_had_not(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, model = random_order(seed)
    runs = Runs(monkeypatch, order, model)
    undisturbed = runs.begin(tmp_path / "whole")
    points = 0
    for number, crash in enumerate(crashes(tmp_path / "whole", random_cuts=20, seed=seed)):
        told = runs.resume(left_by(tmp_path / "whole", crash, tmp_path / f"died-{number}"))

        assert told.events == undisturbed.events, crash
        assert told.delivered == undisturbed.delivered
        assert (told.result.outcome, told.result.exit_code) == (
            undisturbed.result.outcome,
            undisturbed.result.exit_code,
        )
        assert told.lost_calls <= 1
        assert told.result.calls == undisturbed.result.calls + told.lost_calls
        points += 1
    print(seed, points, undisturbed.result.outcome, undisturbed.result.calls, len(list(read_journal(tmp_path / "whole"))))
