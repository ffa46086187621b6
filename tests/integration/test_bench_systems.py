"""Every condition of the systems, with a scripted model and real boxes, from its first call to its result."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench_results import bench_problem
from lmac.bench.catalogue import load_definition
from lmac.bench.conditions import resolve_condition
from lmac.bench.ledger import BenchResult, Ledger
from lmac.bench.runner import plan_items, run_items
from lmac.bench.stand import open_stand
from lmac.prompts import shipped_prompts
from scripted_runs import DONE, GREEN_FILES, ONE_STEP, SMALL_BOX, write_profile, wrote
from scripted_server import Body, Scripted, ScriptedServer, spoken

pytestmark = [pytest.mark.engine, pytest.mark.slow]

CALLS = {
    "single": 1,
    "single-n": 1,
    "loop": 2,
    "lmac": 3,
    "lmac-no-program": 2,
    "lmac-no-summaries": 3,
    "lmac-no-evaluator": 3,
}
"""Program, files, word: as many as each condition needs with a model that does what it is told."""


def answer(body: Body) -> Scripted:
    """One step; its files; done once they are written."""
    said = spoken(body)
    if "Divide this task" in said:
        return ONE_STEP
    return DONE if any(message["role"] == "assistant" for message in body["messages"]) else wrote(GREEN_FILES)


def measured(condition: str, folder: Path, image_id: str) -> BenchResult:
    """The result of one task under a condition."""
    with ScriptedServer(answer) as server:
        given = {"model": str(write_profile(folder, server.base_url)), "image": image_id, "box": SMALL_BOX}
        resolved = resolve_condition(
            condition, load_definition("systems"), given, None, shipped_prompts("codebase")
        )
        items = plan_items((bench_problem("doubling"),), (resolved,), (1,))
        ledger = Ledger(folder / "systems.jsonl")
        with (
            ledger.held(),
            open_stand((resolved,), folder / "runs", folder, {}, folder / "server.log") as stand,
        ):
            run_items("systems", items, ledger, stand, lambda _: None)
    (result,) = ledger.results()
    return result


@pytest.mark.parametrize("condition", CALLS)
def test_every_condition_comes_to_a_result(condition: str, tmp_path: Path, image_id: str) -> None:
    result = measured(condition, tmp_path, image_id)

    assert (result.outcome, result.calls) == ("completed", CALLS[condition])
    assert (result.passed, result.acceptance_passed) == (True, 1)


def test_these_are_all_conditions_of_the_systems() -> None:
    assert list(CALLS) == list(load_definition("systems").conditions)
