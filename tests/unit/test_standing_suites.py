"""What of a standing suite blocks, and what of it a model is shown."""

from __future__ import annotations

import pytest

from job_results import collected, finished, job_result, of_test
from lmac.assembly import standing_suites
from lmac.checks import NOT_THERE, AcceptanceCheck, AcceptanceForm, StandingSuite, TestCheck
from lmac.config import RunConfig
from lmac.evaluation import Verdict
from lmac.program import Task
from lmac_sandbox import JobResult

TITLES = {"test_example_1": "example in line 3 of the task"}
TASK = Task("Write `m.py` with `f(x)`.\n\nf(1) == 2\n", "t")
WRONG = "f(1) gave 3, the task says 2"
ABSENT = f"{NOT_THERE}the task uses f, and there is no module m"


def told(text: str = "") -> JobResult:
    identity = "test_examples.py::test_example_1"
    event = of_test(identity, "failed" if text else "passed", text)
    answered = {"kind": "answered", "comparisons": 0}
    events = (collected(identity), event, answered, finished(1 if text else 0))
    return job_result(exit_code=1 if text else 0, events=events)


def suite(*, shown: bool, titles: bool = True) -> StandingSuite:
    return StandingSuite(AcceptanceCheck(name="examples"), {}, shown, TITLES if titles else {})


def test_a_shown_suite_says_where_the_example_stands_and_what_came() -> None:
    judged = suite(shown=True).judge(told(WRONG))

    assert judged.verdict is Verdict.FAILED
    assert [(finding.where, finding.text) for finding in judged.findings] == [
        ("example in line 3 of the task", WRONG)
    ]


def test_a_hidden_suite_says_a_number_and_nothing_else() -> None:
    judged = suite(shown=False, titles=False).judge(told("secret"))

    assert judged.verdict is Verdict.FAILED
    assert "secret" not in str(judged)
    assert "test_example" not in str(judged)
    assert judged.findings[0].text == "1 of 1 tests of the user's own do not pass; they are not shown"


@pytest.mark.parametrize(
    ("text", "whole", "verdict"),
    [
        (ABSENT, False, Verdict.NOT_APPLICABLE),
        (ABSENT, True, Verdict.FAILED),
        (WRONG, False, Verdict.FAILED),
        (WRONG, True, Verdict.FAILED),
        ("", False, Verdict.PASSED),
    ],
)
def test_what_is_not_there_yet_is_a_fault_at_the_end_only(text: str, whole: bool, verdict: Verdict) -> None:
    judged = suite(shown=True).asked_for(whole).judge(told(text))

    assert judged.verdict is verdict
    assert all(NOT_THERE not in finding.text for finding in judged.findings)


def test_before_the_end_a_suite_that_cannot_tell_what_is_absent_blocks_nothing() -> None:
    judged = suite(shown=True, titles=False).asked_for(False).judge(told(WRONG))

    assert judged.verdict is Verdict.NOT_APPLICABLE
    assert not any(finding.blocking for finding in judged.findings)


def names(**config: object) -> list[str]:
    settings = RunConfig.model_validate(config)
    acceptance = {"test_it.py": b""}
    found = standing_suites(settings, (TestCheck(),), TASK, acceptance, AcceptanceForm.API)
    return [one.name for one in found]


def test_examples_are_judged_by_default_and_acceptance_only_if_asked() -> None:
    assert names() == ["examples"]
    assert names(task_examples=False) == []
    assert names(acceptance={"when": "instruction"}) == ["examples", "acceptance"]


def test_examples_of_python_are_for_runs_that_test_python() -> None:
    assert standing_suites(RunConfig(), (), TASK, None, AcceptanceForm.API) == ()


def test_tests_of_ones_own_may_be_absent_only_if_the_config_says_so() -> None:
    nothing = job_result(exit_code=5, events=(finished(5),))

    assert TestCheck().judge(nothing).verdict is Verdict.NOTHING_TO_JUDGE
    assert TestCheck(required=False).judge(nothing).verdict is Verdict.NOT_APPLICABLE
    assert TestCheck(required=False).judge(told(WRONG)).verdict is Verdict.FAILED
