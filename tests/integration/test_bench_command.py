"""`lmac bench` as a shell runs it: in the background, its status, its report, what it refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bench_results import bench_result
from command_line import Shell
from lmac.bench.ledger import Ledger
from scripted_runs import SMALL_BOX, write_profile, wrote
from scripted_server import ScriptedServer

pytestmark = [pytest.mark.engine, pytest.mark.slow]

FILES = {"codes.py": "", "test_codes.py": "def test_it():\n    assert True\n"}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def await_end(ledger: Ledger, wall_seconds: float = 60.0) -> None:
    """Return when there is a result and nobody appends any more."""
    deadline = time.monotonic() + wall_seconds
    while not ledger.results() or ledger.is_held():
        assert time.monotonic() < deadline, "the bench came to no end"
        time.sleep(0.1)


def test_a_bench_in_the_background_outlives_its_command_and_can_be_asked_after(
    shell: Shell, image_id: str
) -> None:
    ledger = Ledger(shell.folder / "kept" / "systems.jsonl")
    with ScriptedServer([wrote(FILES)]) as server:
        profile = write_profile(shell.folder, server.base_url)
        config = {"model": str(profile), "image": image_id, "box": SMALL_BOX}
        (shell.folder / "config.yaml").write_text(json.dumps(config))

        started = shell.lmac(
            *("bench", "systems", "--conditions", "single", "--limit", "1", "--results", "kept"),
            *("-c", "config.yaml", "--background"),
        )
        await_end(ledger)

    assert started.code == 0, started.stderr
    assert "1 items, 0 done" in started.stderr
    assert "it runs on as process" in started.stderr
    (result,) = ledger.results()
    assert (result.condition, result.passed, result.calls) == ("single", False, 1)
    assert result.acceptance_total > 5
    log = (shell.folder / "runs" / "bench-systems.log").read_text()
    assert f"url-shortener single seed 1: {result.acceptance_passed}/{result.acceptance_total}" in log
    status = shell.lmac("bench", "status", "systems", "--results", "kept")
    assert "systems: not running; single 1; the last at" in status.stdout


def test_the_report_shows_rates_and_pairs_of_what_was_measured(shell: Shell) -> None:
    ledger = Ledger(shell.folder / "kept" / "systems.jsonl")
    with ledger.held():
        for condition in ("single", "lmac"):
            ledger.append(bench_result("one", condition, passed=condition == "lmac"))

    said = shell.lmac("bench", "report", "--results", "kept").stdout
    numbers = json.loads(shell.lmac("bench", "report", "--results", "kept", "--json").stdout)

    assert "| lmac and single | m | 0 | 1 | 0 | 0 | 1 | 100.0% (20.7% to 100.0%) |" in said
    assert numbers[0]["comparisons"][0]["only_first"] == 1


def test_what_a_bench_does_not_know_is_refused_before_anything_starts(shell: Shell) -> None:
    shell.lmac("bench", "systems", "--conditions", "magic").complained(
        2, "condition 'magic'", "it has single"
    )
    shell.lmac("bench", "systems", "--seeds", "1,x").complained(2, "--seeds 1,x")
    shell.lmac("bench", "report", "--results", "empty").complained(2, "no results yet")
