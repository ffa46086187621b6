"""What tests of the bench share: results, and conditions that need no model."""

from __future__ import annotations

from typing import Any

from lmac.bench.catalogue import Condition, Problem, SuiteDefinition
from lmac.bench.conditions import ResolvedCondition, resolve_condition
from lmac.bench.ledger import BenchResult
from lmac.checks import AcceptanceForm
from lmac.program import Task
from lmac.prompts import shipped_prompts


def bench_result(problem: str, condition: str, passed: bool = True, **changes: Any) -> BenchResult:
    """One line of a ledger."""
    fields: dict[str, Any] = {
        "suite": "systems",
        "problem": problem,
        "condition": condition,
        "seed": 1,
        "problem_digest": "p",
        "config_digest": "c",
        "outcome": "completed",
        "passed": passed,
        "acceptance_passed": 4 if passed else 1,
        "acceptance_total": 4,
        "prompt_tokens": 100,
        "reply_tokens": 50,
        "cached_tokens": 40,
        "calls": 2,
        "seconds": 10.0,
        "model": "m",
        "temperature": 0.0,
        "lmac": "0.1.0",
        "run": "bench-x",
        "at": "2026-01-01T00:00:00+00:00",
    }
    return BenchResult.model_validate(fields | changes)


def bench_problem(name: str) -> Problem:
    """A task with a suite of one file."""
    suite = {"test_it.py": b"def test_it(): assert True\n"}
    return Problem(name, Task(f"Write {name}.", name), suite, AcceptanceForm.API)


def bench_definition(**conditions: dict[str, Any]) -> SuiteDefinition:
    """A suite with these conditions, and a budget of 1000 tokens."""
    return SuiteDefinition(
        tasks=("one",),
        temperature=0.0,
        tokens=1000,
        conditions={name: Condition.model_validate(fields) for name, fields in conditions.items()},
    )


def bench_condition(name: str, **fields: Any) -> ResolvedCondition:
    """One condition of such a suite."""
    return resolve_condition(name, bench_definition(**{name: fields}), {}, None, shipped_prompts("codebase"))
