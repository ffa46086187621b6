"""Grades of reuse in whole runs: what a report says of its boxes is what was."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmac.run import execute
from lmac.transitions import Outcome
from lmac_sandbox import Engine, Reuse
from scripted_runs import DONE, GREEN_FILES, ONE_STEP, leftovers, scripted_order, wrote
from scripted_server import ScriptedServer

pytestmark = pytest.mark.engine

SUITE = {"test_suite.py": b"from doubling import double\n\n\ndef test_it():\n    assert double(2) == 4\n"}


@pytest.mark.parametrize("grade", Reuse)
def test_a_run_says_in_which_grade_of_box_each_check_ran(
    engine: Engine, tmp_path: Path, image_id: str, grade: Reuse
) -> None:
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        order = scripted_order(
            tmp_path,
            server,
            image_id,
            config={"evaluation": {"test_reuse": grade.value}},
            acceptance=SUITE,
        )
        result = execute(order)

    assert (result.outcome, result.exit_code) == (Outcome.COMPLETED, 0)
    assert result.checks is not None
    assert {found.check: found.reuse for found in result.checks.results} == {
        "syntax": Reuse.RUN,
        "lint": Reuse.RUN,
        "types": Reuse.RUN,
        "tests": grade,
    }
    assert result.acceptance is not None
    assert [found.reuse for found in result.acceptance.results] == [Reuse.SINGLE_USE]
    assert leftovers(engine, result.run_id) == 0
