"""Items of a bench: their order, what is left of them, how they are carried out; and what suites hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench_results import bench_condition, bench_definition, bench_problem, bench_result
from lmac.bench.catalogue import Condition, bench_folder, load_definition, load_system
from lmac.bench.conditions import ResolvedCondition, load_bench_prompts, overlaid, resolve_condition
from lmac.bench.ledger import Ledger
from lmac.bench.runner import (
    BenchStopped,
    Item,
    expected_seconds,
    in_hours,
    left_to_do,
    plan_items,
    run_items,
)
from lmac.budget import BudgetLimits
from lmac.errors import ConfigError
from lmac.evaluation import CheckResult, Report, Verdict
from lmac.messages import Usage
from lmac.processor.actions import EditForm
from lmac.program import Task
from lmac.prompts import Prompts, shipped_prompts
from lmac.report.result import RunResult
from lmac.run import RunOrder
from lmac.transitions import MachineKind, Outcome
from lmac_sandbox import Ending

PROBLEMS = tuple(map(bench_problem, ("one", "two", "three")))
SINGLE, LMAC = bench_condition("single", machine="single-shot", usual_seconds=10), bench_condition("lmac")


def judged(check: str, passed: int, failed: int) -> Report:
    verdict = Verdict.FAILED if failed else Verdict.PASSED
    return Report("d", (CheckResult(check, verdict, Ending.EXITED, (), passed, failed),))


def run_result(order: RunOrder, **changes: Any) -> RunResult:
    fields: dict[str, Any] = {
        "run_id": order.folder.name,
        "folder": str(order.folder),
        "task": order.task.name,
        "model": order.profile.name,
        "machine": order.machine,
        "outcome": Outcome.COMPLETED,
        "error": "",
        "next_step": "",
        "instructions": 1,
        "instructions_completed": 1,
        "files": 1,
        "lines": 1,
        "checks": judged("tests", 1, 0),
        "acceptance": judged("acceptance", 4, 0),
        "usage": Usage(300, 100, 50),
        "calls": 1,
        "cost": None,
        "seconds": 2.0,
    }
    return RunResult(**(fields | changes))


class Stand:
    """Runs end as a script says; keeps every order."""

    def __init__(self, script: Callable[[RunOrder, int], Mapping[str, Any]] = lambda *_: {}) -> None:
        self._script = script
        self.orders: list[RunOrder] = []

    def order(self, item: Item, config_changes: Mapping[str, object], folder_name: str) -> RunOrder:
        return RunOrder(
            task=item.problem.task,
            config=item.condition.config_for(item.problem).model_copy(update=dict(config_changes)),
            profile=item.condition.profile,
            checks=(),
            image_id="sha256:0",
            folder=Path("runs") / folder_name,
            acceptance=item.problem.acceptance,
            machine=item.condition.condition.machine,
        )

    def execute(self, order: RunOrder) -> RunResult:
        self.orders.append(order)
        return run_result(order, **self._script(order, len(self.orders)))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "systems.jsonl")
    with ledger.held():
        return ledger


# The plan


def test_the_conditions_of_a_problem_stand_side_by_side() -> None:
    items = plan_items(PROBLEMS[:2], (SINGLE, LMAC), (1, 2))

    assert [(item.problem.name, item.seed, item.condition.name) for item in items[:4]] == [
        ("one", 1, "single"),
        ("one", 1, "lmac"),
        ("one", 2, "single"),
        ("one", 2, "lmac"),
    ]
    assert len(items) == 8


def test_a_sample_is_the_same_for_the_same_seed_and_a_limit_cuts_it() -> None:
    many = tuple(bench_problem(f"p{number}") for number in range(50))
    first, again, other = (
        [item.problem.name for item in plan_items(many, (LMAC,), (1,), limit=10, sample=seed)]
        for seed in (7, 7, 8)
    )

    assert first == again != other
    assert len(set(first)) == 10
    assert first != [problem.name for problem in many[:10]]


def test_what_has_a_result_of_the_same_digests_is_not_run_again() -> None:
    items = plan_items(PROBLEMS, (LMAC,), (1,))
    digests: dict[str, Any] = {"problem_digest": PROBLEMS[0].digest, "config_digest": LMAC.digest}
    done = bench_result("one", "lmac", **digests)

    assert left_to_do(items, [done]) == items[1:]
    for changed in ({"config_digest": "other"}, {"problem_digest": "other"}, {"seed": 2}):
        assert left_to_do(items, [done.model_copy(update=changed)]) == items


def test_time_is_expected_from_what_was_measured_and_else_from_the_suite() -> None:
    items = plan_items(PROBLEMS[:1], (SINGLE, LMAC), (1,))
    measured = [bench_result("x", "lmac", seconds=30, model=LMAC.profile.name) for _ in range(3)]

    assert expected_seconds(items, measured) == 10 + 30


@pytest.mark.parametrize(
    ("seconds", "said"), [(20, "0 min"), (3540, "59 min"), (3600 * 2 + 300, "2 h 05 min")]
)
def test_durations_are_said_in_hours_and_minutes(seconds: float, said: str) -> None:
    assert in_hours(seconds) == said


# Carrying out


def test_each_result_says_what_came_of_the_run(ledger: Ledger) -> None:
    stand = Stand(lambda *_: {"acceptance": judged("acceptance", 3, 1), "outcome": Outcome.CHECKS_FAILED})

    run_items("systems", plan_items(PROBLEMS[:1], (LMAC,), (5,)), ledger, stand, lambda _: None)

    (result,) = ledger.results()
    assert (result.problem, result.condition, result.seed) == ("one", "lmac", 5)
    assert (result.passed, result.acceptance_passed, result.acceptance_total) == (False, 3, 4)
    assert (result.prompt_tokens, result.reply_tokens, result.cached_tokens, result.calls) == (
        300,
        100,
        50,
        1,
    )
    assert (result.outcome, result.temperature) == ("checks failed", 0.0)
    assert stand.orders[0].config.seed == 5


def test_a_suite_that_did_not_come_to_its_end_is_no_pass(ledger: Ledger) -> None:
    timed_out = CheckResult("acceptance", Verdict.BROKEN_OFF, Ending.TIMED_OUT, (), 2, 0)
    stand = Stand(lambda *_: {"acceptance": Report("d", (timed_out,))})

    run_items("systems", plan_items(PROBLEMS[:1], (LMAC,), (1,)), ledger, stand, lambda _: None)

    assert not ledger.results()[0].passed


def test_a_second_start_does_only_what_is_left(ledger: Ledger) -> None:
    items = plan_items(PROBLEMS, (LMAC,), (1,))
    run_items("systems", items[:2], ledger, Stand(), lambda _: None)
    stand = Stand()
    said: list[str] = []

    run_items("systems", items, ledger, stand, said.append)

    assert [order.task.name for order in stand.orders] == ["three"]
    assert said == ["[1/1] three lmac seed 1: passed, completed, 2 s; 0 min left"]


def test_an_interrupt_keeps_what_is_done(ledger: Ledger) -> None:
    stand = Stand(lambda _, number: {"outcome": Outcome.INTERRUPTED} if number == 2 else {})

    with pytest.raises(KeyboardInterrupt):
        run_items("systems", plan_items(PROBLEMS, (LMAC,), (1,)), ledger, stand, lambda _: None)

    assert [result.problem for result in ledger.results()] == ["one"]


@pytest.mark.parametrize("outcome", [Outcome.MODEL_FAILED, Outcome.SANDBOX_FAILED, Outcome.FAULT])
def test_what_the_condition_is_not_to_blame_for_is_no_result(outcome: Outcome, ledger: Ledger) -> None:
    stand = Stand(lambda _, number: {"outcome": outcome} if number == 1 else {})

    run_items("systems", plan_items(PROBLEMS, (LMAC,), (1,)), ledger, stand, lambda _: None)

    assert [result.problem for result in ledger.results()] == ["two", "three"]


def test_a_bench_stops_when_item_after_item_does_not_end(ledger: Ledger) -> None:
    stand = Stand(lambda *_: {"outcome": Outcome.MODEL_FAILED, "error": "no server"})

    with pytest.raises(BenchStopped, match=r"3 items in a row .* no server"):
        run_items("systems", plan_items(PROBLEMS, (LMAC,), (1, 2)), ledger, stand, lambda _: None)

    assert len(stand.orders) == 3


# Calls until their own tests pass

SINGLE_N = bench_condition("single-n", machine="single-shot", until_green=True, equal_tokens=True)


def run_single_n(ledger: Ledger, stand: Stand) -> None:
    run_items("systems", plan_items(PROBLEMS[:1], (SINGLE_N,), (3,)), ledger, stand, lambda _: None)


def test_calls_go_on_with_the_next_seed_until_their_own_tests_pass(ledger: Ledger) -> None:
    stand = Stand(lambda _, number: {} if number == 2 else {"checks": judged("tests", 0, 1)})

    run_single_n(ledger, stand)

    assert [order.config.seed for order in stand.orders] == [3, 4]
    assert [order.config.budget.tokens for order in stand.orders] == [1000, 600]
    (result,) = ledger.results()
    assert (result.runs, result.calls, result.prompt_tokens, result.seconds) == (2, 2, 600, 4.0)
    assert result.run == stand.orders[1].folder.name


def test_calls_end_with_the_budget_and_the_last_one_that_was_made_is_delivered(ledger: Ledger) -> None:
    refused = {"usage": Usage(), "calls": 0, "outcome": Outcome.BUDGET_SPENT, "acceptance": None}
    red = {"checks": judged("tests", 0, 1), "acceptance": judged("acceptance", 2, 2)}
    stand = Stand(lambda _, number: refused if number == 3 else red)

    run_single_n(ledger, stand)

    (result,) = ledger.results()
    assert len(stand.orders) == 3
    assert (result.runs, result.acceptance_passed, result.run) == (2, 2, stand.orders[1].folder.name)


def test_a_budget_that_does_not_allow_one_call_ends_as_a_result(ledger: Ledger) -> None:
    stand = Stand(lambda *_: {"usage": Usage(), "outcome": Outcome.BUDGET_SPENT, "checks": None})

    run_single_n(ledger, stand)

    assert (len(stand.orders), ledger.results()[0].outcome) == (1, "budget spent")


# Suites and conditions


def humaneval(name: str, prompts: Prompts | None = None) -> ResolvedCondition:
    """One of its conditions, as it comes with LMAC."""
    shipped = load_bench_prompts(bench_folder() / "humaneval-prompts.yaml")
    return resolve_condition(name, load_definition("humaneval"), {}, None, prompts or shipped)


@pytest.mark.parametrize("suite", ["humaneval", "systems"])
def test_every_condition_that_comes_with_lmac_is_a_run_config(suite: str) -> None:
    definition = load_definition(suite)
    prompts = shipped_prompts("codebase")
    if definition.prompts:
        prompts = load_bench_prompts(bench_folder() / definition.prompts)

    for name, condition in definition.conditions.items():
        resolved = resolve_condition(name, definition, {}, None, prompts)
        assert resolved.profile.temperature == definition.temperature
        assert resolved.config.budget.tokens == (definition.tokens if condition.equal_tokens else None)


def test_every_task_of_the_systems_has_a_suite() -> None:
    for name in load_definition("systems").tasks:
        assert load_system(name).acceptance


def test_single_and_lmac_of_humaneval_differ_in_nothing_that_a_first_request_holds() -> None:
    single, lmac = humaneval("single"), humaneval("lmac")

    assert single.config.budget == BudgetLimits(calls=1)
    assert lmac.config.budget == BudgetLimits()
    assert single.prompts == lmac.prompts
    assert single.profile.sampling() == lmac.profile.sampling()
    assert (single.profile.candidates, lmac.profile.candidates) == (1, 6)
    assert (single.config.machine.program_tries, lmac.config.machine.program_tries) == (0, 0)


def test_a_problem_without_examples_gets_a_single_call() -> None:
    lmac = humaneval("lmac")
    shown = "```python\n# solution.py\ndef twice(number):\n    # twice(2) == 4\n```"
    with_example = replace(bench_problem("p"), task=Task(shown, "p"))

    assert lmac.config_for(bench_problem("p")).budget == BudgetLimits(calls=1)
    assert lmac.config_for(with_example) == lmac.config


def test_what_the_user_says_stands_over_the_suite_and_below_the_condition() -> None:
    definition = bench_definition(short={"run": {"machine": {"turns": 1}}}).model_copy(
        update={"run": {"machine": {"attempts": 2}, "most_instructions": 3}}
    )
    given = {"machine": {"turns": 9, "stuck_turns": 4}, "most_instructions": 5}

    config = resolve_condition("short", definition, given, None, shipped_prompts("codebase")).config

    assert (config.machine.turns, config.machine.attempts, config.machine.stuck_turns) == (1, 2, 4)
    assert config.most_instructions == 5


def test_a_digest_says_what_is_measured_and_not_where() -> None:
    def digest(given: Mapping[str, Any], tokens: int | None = None) -> str:
        definition = bench_definition(one={"equal_tokens": True})
        return resolve_condition("one", definition, given, tokens, shipped_prompts("codebase")).digest

    assert digest({"runs_folder": "elsewhere", "ready_boxes": 2}) == digest({})
    assert (
        len(
            {digest({}), digest({"machine": {"turns": 2}}), digest({}, tokens=5), digest({"model": "openai"})}
        )
        == 4
    )


def test_a_key_that_is_given_its_default_leaves_a_digest_as_it_is() -> None:
    said = bench_definition(
        one={"run": {"machine": {"turns": 6}, "seed": None}, "profile": {"summary_tokens": 200}}
    )

    digest = resolve_condition("one", said, {}, None, shipped_prompts("codebase")).digest

    assert digest == bench_condition("one").digest
    assert digest != bench_condition("one", profile={"candidates": 2}).digest
    assert digest != bench_condition("one", machine="loop").digest


def test_a_text_that_a_single_call_cannot_reach_leaves_its_digest_as_it_is() -> None:
    shipped = humaneval("single").prompts
    later = replace(shipped, texts={**shipped.texts, "red": "Try again: $report"})
    first = replace(shipped, texts={**shipped.texts, "opening": "Solve $task"})

    assert humaneval("single", later).digest == humaneval("single").digest
    assert humaneval("single", first).digest != humaneval("single").digest
    assert humaneval("lmac", later).digest != humaneval("lmac").digest


def test_a_condition_changes_a_profile_but_not_which_model_it_is() -> None:
    own = bench_condition("one").profile
    changed = bench_condition("one", profile={"candidates": 7, "edits": ["whole", "replace"]}).profile

    assert (changed.candidates, changed.edits) == (7, (EditForm.WHOLE, EditForm.REPLACE))
    assert changed.model_copy(update={"candidates": own.candidates, "edits": own.edits}) == own
    with pytest.raises(ValidationError, match="`profile` must not name context_tokens, server"):
        Condition(profile={"server": {}, "context_tokens": 4096})


def test_each_machine_of_the_systems_is_named() -> None:
    conditions = load_definition("systems").conditions

    assert {name: one.machine for name, one in conditions.items() if name in ("single", "loop", "lmac")} == {
        "single": MachineKind.SINGLE_SHOT,
        "loop": MachineKind.LOOP,
        "lmac": MachineKind.CONTROL_UNIT,
    }


def test_a_profile_with_fewer_threads_at_another_path_is_the_same_model(tmp_path: Path) -> None:
    shipped = bench_folder().parent / "models" / "qwen2.5-coder-1.5b.yaml"
    own = tmp_path / "slower.yaml"
    own.write_text(shipped.read_text().replace("threads: 2", "threads: 1"))

    first, second = (
        resolve_condition(
            "one", bench_definition(one={}), {"model": model}, None, shipped_prompts("codebase")
        )
        for model in ("qwen2.5-coder-1.5b", str(own))
    )

    assert first.profile != second.profile
    assert first.digest == second.digest


def test_an_unknown_condition_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="condition 'fast'"):
        resolve_condition("fast", bench_definition(slow={}), {}, None, shipped_prompts("codebase"))


def test_mappings_are_merged_and_everything_else_is_replaced() -> None:
    assert overlaid({"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"c": [2]}, "d": {"e": 3}}) == {
        "a": {"b": 1, "c": [2]},
        "d": {"e": 3},
    }


@pytest.mark.parametrize("text", ["unheard: text", "opening: $nobody", "opening: 5", "opening: costs $ 5"])
def test_bench_prompts_that_nobody_can_fill_in_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "prompts.yaml").write_text(text)

    with pytest.raises(ConfigError, match=r"prompts\.yaml, line 1"):
        load_bench_prompts(tmp_path / "prompts.yaml")
