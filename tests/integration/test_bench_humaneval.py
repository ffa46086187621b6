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

pytestmark = [pytest.mark.engine, pytest.mark.slow]

HIDDEN = ("candidate", "METADATA", "-14")


def solution(code: str) -> Says:
    """A reply in the form that the bench asks for."""
    return Says(f"```python\n# solution.py\n{code}```")


def solved(body: Body) -> Says:
    """The first problem right, but without the import that its stub has; the second one wrong."""
    if "unshift" in spoken(body):
        return solution("def unshift(text):\n    return text\n")
    return solution("def twice(numbers: List[int]) -> List[int]:\n    return [2 * n for n in numbers]\n")


def condition(
    folder: Path, server: ScriptedServer, image_id: str, name: str = "single", wall_seconds: float = 20
) -> ResolvedCondition:
    """A shipped condition, with a model of tests and small boxes."""
    given = {
        "model": str(write_profile(folder, server.base_url)),
        "image": image_id,
        "box": {**SMALL_BOX, "wall_seconds": wall_seconds},
    }
    prompts = load_bench_prompts(bench_folder() / "humaneval-prompts.yaml")
    return resolve_condition(name, load_definition("humaneval"), given, None, prompts)


def measure(folder: Path, resolved: ResolvedCondition, problems: tuple[Problem, ...]) -> Ledger:
    """Carry out what has no result yet."""
    ledger = Ledger(folder / "humaneval.jsonl")
    items = plan_items(problems, (resolved,), (1,))
    with (
        ledger.held(),
        open_stand((resolved,), folder / "runs", folder, {}, folder / "server.log") as stand,
    ):
        run_items("humaneval", items, ledger, stand, lambda _: None)
    return ledger


def test_single_is_measured_over_two_problems_and_not_measured_again(tmp_path: Path, image_id: str) -> None:
    problems = read_problems(write_wheel(tmp_path, TWICE, SHIFTED), CARRIER)
    with ScriptedServer(solved) as server:
        single = condition(tmp_path, server, image_id)
        measure(tmp_path, single, problems)
        ledger = measure(tmp_path, single, problems)
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
        ledger = measure(tmp_path, condition(tmp_path, server, image_id, wall_seconds=3), problems)

    (result,) = ledger.results()
    assert not result.passed


RIGHT, WRONG = (
    "def twice(numbers):\n    return [2 * n for n in numbers]\n",
    "def twice(numbers):\n    return numbers\n",
)


def asked_by_lmac(
    folder: Path, image_id: str, replies: list[Says], **problem: str
) -> tuple[Ledger, list[Body]]:
    """What the condition asks for one problem, and its result."""
    with ScriptedServer(replies) as server:
        lmac = condition(folder, server, image_id, "lmac")
        ledger = measure(folder, lmac, read_problems(write_wheel(folder, TWICE | problem), CARRIER))
        return ledger, list(server.requests)


def test_lmac_takes_the_first_sample_that_the_examples_let_pass_and_says_no_more(
    tmp_path: Path, image_id: str
) -> None:
    replies = [solution(WRONG), solution("def twice(numbers):\n    return 2\n"), solution(RIGHT)]

    ledger, asked = asked_by_lmac(tmp_path, image_id, replies)

    (result,) = ledger.results()
    assert (result.passed, result.outcome, result.calls) == (True, "completed", 3)
    assert [body["temperature"] for body in asked] == [0.0, 0.8, 0.8]
    assert len({body["seed"] for body in asked}) == 3
    assert all(body["messages"] == asked[0]["messages"] for body in asked)


def test_lmac_repairs_the_best_sample_by_the_examples_that_it_fails(tmp_path: Path, image_id: str) -> None:
    ledger, asked = asked_by_lmac(tmp_path, image_id, [*[solution(WRONG)] * 6, solution(RIGHT)])

    (result,) = ledger.results()
    assert (result.passed, result.outcome, result.calls) == (True, "completed", 7)
    assert "twice([1, 2]) gave [1, 2], the task says [2, 4]" in spoken(asked[-1])
    assert not any(hidden in spoken(body) for hidden in HIDDEN for body in asked)


def test_lmac_leaves_a_problem_without_examples_as_single_does(tmp_path: Path, image_id: str) -> None:
    ledger, asked = asked_by_lmac(
        tmp_path,
        image_id,
        [solution(RIGHT)],
        prompt='def twice(numbers):\n    """ Each number doubled. """\n',
    )

    (result,) = ledger.results()
    assert (result.passed, result.calls, len(asked)) == (True, 1, 1)
