"""A whole bench over two problems: a scripted model, real boxes, results, a second start, the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench_wheel import CARRIER, SHIFTED, TWICE, write_wheel
from lmac.bench.catalogue import Problem, bench_folder, load_definition
from lmac.bench.comparison import compare
from lmac.bench.conditions import ResolvedCondition, load_bench_prompts, resolve_condition
from lmac.bench.humaneval import read_problems
from lmac.bench.ledger import Ledger
from lmac.bench.runner import plan_items, run_items
from lmac.bench.stand import open_stand
from scripted_runs import SMALL_BOX, write_profile
from scripted_server import Body, Says, ScriptedServer, spoken

pytestmark = pytest.mark.engine

HIDDEN = ("candidate", "METADATA", "-14")


def solution(code: str) -> Says:
    """A reply in the form that the bench asks for."""
    return Says(f"```python\n# solution.py\n{code}```")


def solved(body: Body) -> Says:
    """The first problem right, but without the import that its stub has; the second one wrong."""
    if "unshift" in spoken(body):
        return solution("def unshift(text):\n    return text\n")
    return solution("def twice(numbers: List[int]) -> List[int]:\n    return [2 * n for n in numbers]\n")


def single(folder: Path, server: ScriptedServer, image_id: str, wall_seconds: float) -> ResolvedCondition:
    """The shipped condition, with a model of tests and small boxes."""
    given = {
        "model": str(write_profile(folder, server.base_url)),
        "image": image_id,
        "box": {**SMALL_BOX, "wall_seconds": wall_seconds},
    }
    prompts = load_bench_prompts(bench_folder() / "humaneval-prompts.yaml")
    return resolve_condition("single", load_definition("humaneval"), given, None, prompts)


def measure(folder: Path, condition: ResolvedCondition, problems: tuple[Problem, ...]) -> Ledger:
    """Carry out what has no result yet."""
    ledger = Ledger(folder / "humaneval.jsonl")
    items = plan_items(problems, (condition,), (1,))
    with (
        ledger.held(),
        open_stand((condition,), folder / "runs", folder, {}, folder / "server.log") as stand,
    ):
        run_items("humaneval", items, ledger, stand, lambda _: None)
    return ledger


def test_single_is_measured_over_two_problems_and_not_measured_again(tmp_path: Path, image_id: str) -> None:
    problems = read_problems(write_wheel(tmp_path, TWICE, SHIFTED), CARRIER)
    with ScriptedServer(solved) as server:
        condition = single(tmp_path, server, image_id, wall_seconds=20)
        measure(tmp_path, condition, problems)
        ledger = measure(tmp_path, condition, problems)
        asked = [spoken(body) for body in server.requests]

    first, second = ledger.results()
    assert (first.problem, first.passed, first.acceptance_passed) == ("humaneval-0", True, 1)
    assert (second.problem, second.passed, second.acceptance_passed) == ("humaneval-1", False, 0)
    assert [result.acceptance_total for result in (first, second)] == [1, 1]
    assert [result.calls for result in (first, second)] == [1, 1]
    assert len(asked) == 2
    assert not any(hidden in text for hidden in HIDDEN for text in asked)
    assert compare("humaneval", ledger.results()).rates[0].passes == 1


def test_a_solution_that_hangs_fails(tmp_path: Path, image_id: str) -> None:
    problems = read_problems(write_wheel(tmp_path, TWICE), CARRIER)
    hanging = solution("def twice(numbers):\n    while True:\n        pass\n")
    with ScriptedServer([hanging]) as server:
        ledger = measure(tmp_path, single(tmp_path, server, image_id, wall_seconds=3), problems)

    (result,) = ledger.results()
    assert not result.passed
