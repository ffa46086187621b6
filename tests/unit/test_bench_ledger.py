"""The results of a bench: appended whole, read past a torn end, held by one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench_results import bench_result
from lmac.bench.ledger import Ledger
from lmac.errors import ConfigError

FIRST, SECOND = bench_result("one", "lmac"), bench_result("two", "lmac", passed=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "results" / "systems.jsonl")
    with ledger.held():
        ledger.append(FIRST)
    return ledger


def test_results_are_read_as_they_were_appended(ledger: Ledger) -> None:
    ledger.append(SECOND)

    assert ledger.results() == (FIRST, SECOND)


def test_there_are_no_results_before_the_first(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "none.jsonl").results() == ()


def test_a_line_that_was_cut_anywhere_is_passed_over_and_written_over(ledger: Ledger) -> None:
    whole = ledger.path.read_bytes()
    torn = SECOND.model_dump_json().encode()
    for cut in (1, len(torn) // 2, len(torn)):
        ledger.path.write_bytes(whole + torn[:cut])
        assert ledger.results() == (FIRST,)

        ledger.append(SECOND)

        assert ledger.results() == (FIRST, SECOND)


def test_a_line_that_is_no_result_is_named(ledger: Ledger) -> None:
    ledger.path.write_bytes(b'{"suite": 1}\n' + ledger.path.read_bytes())

    with pytest.raises(ConfigError, match=r"systems\.jsonl, line 1: this is no result"):
        ledger.results()


def test_one_bench_at_a_time_appends(ledger: Ledger) -> None:
    assert not ledger.is_held()
    with ledger.held():
        assert ledger.is_held()
        with pytest.raises(ConfigError, match="another bench writes there"), ledger.held():
            pass
    assert not ledger.is_held()
