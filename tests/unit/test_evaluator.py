"""Checks of two grades side by side: one report, as if they came one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from job_results import finished, job_result
from lmac.checks import TestCheck
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, Finding, Report, Verdict
from lmac.evaluation.due import Due, of_what_is_due
from lmac.evaluator import Evaluator
from lmac_sandbox import Ending, EngineFailure, Job, JobResult, Overlay, PathRejected, Reuse, Snapshot

SECONDS = 5.0
Ran = Callable[[], JobResult]


@dataclass(frozen=True, slots=True)
class PlainCheck:
    """Passes when its job exits with 0."""

    name: str
    reuse: Reuse
    gates: bool = False

    def job(self) -> Job:
        return Job((self.name,))

    def judge(self, result: JobResult) -> CheckResult:
        verdict = Verdict.FAILED if result.exit_code else Verdict.PASSED
        return CheckResult(self.name, verdict, result.ending)


def overlaid(overlay: Overlay) -> str:
    """The digest that keeper and boxes of these tests agree on."""
    if "../out" in overlay:
        raise PathRejected("'../out' has the forbidden segment '..'")
    return f"d+{','.join(sorted(overlay))}"


class Boxes:
    """A source whose boxes run these functions by the name of the job."""

    def __init__(self, reuse: Reuse, **programs: Ran) -> None:
        self.reuse = reuse
        self.taken = 0
        self.closed = threading.Event()
        self.digest = "d"
        self._programs = programs

    @contextmanager
    def take(self) -> Iterator[Boxes]:
        self.taken += 1
        yield self

    def snapshot(self, overlay: Overlay | None = None) -> Snapshot:
        return Snapshot(self.digest, 1, overlaid(overlay) if overlay else None)

    def place(self, files: Mapping[str, bytes], into: Literal["subject", "suite", "judge"]) -> None:
        raise AssertionError("nothing is placed")

    def run(self, job: Job) -> JobResult:
        return self._programs[job.argv[0]]()

    def close(self) -> None:
        self.closed.set()


def passing() -> JobResult:
    return job_result("")


def failing() -> JobResult:
    return job_result("", exit_code=1)


def breaking() -> JobResult:
    raise EngineFailure("it is gone")


GATE = PlainCheck("gate", Reuse.RUN, gates=True)
LINT = PlainCheck("lint", Reuse.RUN)
TESTS = PlainCheck("tests", Reuse.SINGLE_USE)


def report_of(tools: Boxes, tests: Boxes) -> Report:
    return Evaluator(tests, (GATE, LINT, TESTS), tools).evaluate("d")


def verdicts(report: Report) -> list[tuple[str, Verdict, Reuse]]:
    return [(result.check, result.verdict, result.reuse) for result in report.results]


def test_each_result_names_the_grade_of_its_box() -> None:
    tools = Boxes(Reuse.RUN, gate=passing, lint=passing)
    report = report_of(tools, Boxes(Reuse.SINGLE_USE, tests=failing))

    assert verdicts(report) == [
        ("gate", Verdict.PASSED, Reuse.RUN),
        ("lint", Verdict.PASSED, Reuse.RUN),
        ("tests", Verdict.FAILED, Reuse.SINGLE_USE),
    ]


def test_without_other_sources_only_checks_that_execute_code_have_boxes_of_their_own() -> None:
    boxes = Boxes(Reuse.SINGLE_USE, gate=passing, lint=failing, tests=passing)
    report = Evaluator(boxes, (GATE, LINT, TESTS)).evaluate("d")

    assert boxes.taken == 2
    assert [result.reuse for result in report.results] == [Reuse.SINGLE_USE] * 3
    assert [result.verdict for result in report.results][1:] == [Verdict.FAILED, Verdict.PASSED]


@pytest.mark.parametrize("reuse", Reuse)
def test_what_one_check_executes_cannot_change_the_copy_that_the_next_one_judges(reuse: Reuse) -> None:
    boxes = Boxes(reuse, first=passing, second=passing, lint=passing)
    checks = tuple(PlainCheck(name, Reuse.SINGLE_USE) for name in ("first", "second", "lint"))
    report = Evaluator(boxes, checks, Boxes(Reuse.RUN), boxes).evaluate("d")

    assert report.green
    assert boxes.taken == 3


def test_a_gate_that_executes_code_leaves_no_trace_of_what_comes_after_it() -> None:
    boxes = Boxes(Reuse.SINGLE_USE, first=failing)
    checks = (PlainCheck("first", Reuse.SINGLE_USE, gates=True), PlainCheck("second", Reuse.SINGLE_USE))
    report = Evaluator(boxes, checks).evaluate("d")

    assert [result.check for result in report.results] == ["first"]
    assert boxes.taken == 1


def test_tests_in_boxes_that_serve_again_say_so() -> None:
    fresh = Boxes(Reuse.SINGLE_USE)
    tools, tests = Boxes(Reuse.RUN, gate=passing, lint=passing), Boxes(Reuse.RUN, tests=passing)
    report = Evaluator(fresh, (GATE, LINT, TESTS), tools, tests).evaluate("d")

    assert verdicts(report)[-1] == ("tests", Verdict.PASSED, Reuse.RUN)
    assert fresh.taken == 0


def test_tools_and_tests_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=SECONDS)

    def met() -> JobResult:
        meeting.wait()
        return passing()

    report = report_of(Boxes(Reuse.RUN, gate=met, lint=passing), Boxes(Reuse.SINGLE_USE, tests=met))

    assert report.green


def test_in_boxes_that_serve_again_tests_wait_for_the_gate_and_for_no_other_tool() -> None:
    meeting = threading.Barrier(2, timeout=SECONDS)
    opened = threading.Event()

    def opening() -> JobResult:
        opened.set()
        return passing()

    def met() -> JobResult:
        assert opened.is_set()
        meeting.wait()
        return passing()

    tools, tests = Boxes(Reuse.RUN, gate=opening, lint=met), Boxes(Reuse.RUN, tests=met)
    report = Evaluator(Boxes(Reuse.SINGLE_USE), (GATE, LINT, TESTS), tools, tests).evaluate("d")

    assert report.green


def test_a_closed_gate_costs_no_box_that_serves_again() -> None:
    tools, tests = Boxes(Reuse.RUN, gate=failing, lint=passing), Boxes(Reuse.RUN, tests=passing)
    report = Evaluator(Boxes(Reuse.SINGLE_USE), (GATE, LINT, TESTS), tools, tests).evaluate("d")

    assert verdicts(report) == [("gate", Verdict.FAILED, Reuse.RUN)]
    assert tests.taken == 0
    assert not tests.closed.is_set()


@pytest.mark.parametrize("tests", [passing, failing, breaking])
def test_a_closed_gate_leaves_no_trace_of_the_tests(tests: Ran) -> None:
    tools = Boxes(Reuse.RUN, gate=failing, lint=passing)
    report = report_of(tools, Boxes(Reuse.SINGLE_USE, tests=tests))

    assert verdicts(report) == [("gate", Verdict.FAILED, Reuse.RUN)]


def test_a_closed_gate_ends_the_tests_at_once() -> None:
    boxes = Boxes(Reuse.SINGLE_USE)
    began = threading.Event()

    def endless() -> JobResult:
        began.set()
        assert boxes.closed.wait(SECONDS)
        raise EngineFailure("closed in the middle")

    def gate() -> JobResult:
        began.wait(SECONDS)
        return failing()

    boxes._programs["tests"] = endless
    report = report_of(Boxes(Reuse.RUN, gate=gate), boxes)

    assert [result.check for result in report.results] == ["gate"]
    assert boxes.closed.wait(SECONDS)
    assert boxes.taken == 1


def test_boxes_that_break_twice_break_off_their_checks_and_no_others() -> None:
    tests = Boxes(Reuse.SINGLE_USE, tests=breaking)
    report = report_of(Boxes(Reuse.RUN, gate=passing, lint=passing), tests)

    assert [result.verdict for result in report.results] == [
        Verdict.PASSED,
        Verdict.PASSED,
        Verdict.BROKEN_OFF,
    ]
    assert report.results[-1].ending is Ending.INFRASTRUCTURE_FAILURE
    assert tests.taken == 2


def test_a_box_that_breaks_once_is_replaced_and_nobody_sees_it() -> None:
    calls = iter([breaking, passing])
    tests = Boxes(Reuse.SINGLE_USE, tests=lambda: next(calls)())

    assert report_of(Boxes(Reuse.RUN, gate=passing, lint=passing), tests).green
    assert tests.closed.is_set()


@pytest.mark.parametrize("which", ["tools", "tests"])
def test_a_copy_of_another_store_judges_nothing(which: str) -> None:
    sources = {
        "tools": Boxes(Reuse.RUN, gate=passing, lint=passing),
        "tests": Boxes(Reuse.SINGLE_USE, tests=passing),
    }
    sources[which].digest = "other"

    with pytest.raises(SandboxFailure, match="a box copied store other"):
        report_of(sources["tools"], sources["tests"])


def test_raw_results_are_told_in_the_order_of_the_checks_and_on_the_asking_thread() -> None:
    told: list[tuple[str, str, bytes, int]] = []

    def listen(name: str, store_digest: str, result: JobResult) -> None:
        told.append((name, store_digest, result.stdout.head, threading.get_ident()))

    tools = Boxes(Reuse.RUN, gate=lambda: job_result("g"), lint=lambda: job_result("l"))
    tests = Boxes(Reuse.SINGLE_USE, tests=lambda: job_result("t"))
    Evaluator(tests, (GATE, TESTS, LINT), tools, listener=listen).evaluate("d")

    here = threading.get_ident()
    assert told == [("gate", "d", b"g", here), ("tests", "d", b"t", here), ("lint", "d", b"l", here)]


def test_what_a_closed_gate_called_off_is_not_told() -> None:
    told: list[str] = []
    tools = Boxes(Reuse.RUN, gate=failing)
    tests = Boxes(Reuse.SINGLE_USE, tests=passing)
    Evaluator(tests, (GATE, TESTS), tools, listener=lambda name, *_: told.append(name)).evaluate("d")

    assert told == ["gate"]


def test_a_job_that_cannot_be_judged_is_told_all_the_same() -> None:
    class Unjudged(PlainCheck):
        def judge(self, result: JobResult) -> CheckResult:
            raise SandboxFailure("the entry is wrong")

    told: list[str] = []
    checks = (GATE, Unjudged("lint", Reuse.RUN), TESTS)
    tools = Boxes(Reuse.RUN, gate=passing, lint=passing)
    evaluator = Evaluator(
        Boxes(Reuse.SINGLE_USE, tests=passing),
        checks,
        tools,
        listener=lambda name, digest, result: told.append(name),
    )
    with pytest.raises(SandboxFailure, match="the entry is wrong"):
        evaluator.evaluate("d")

    assert told[:2] == ["gate", "lint"]


def test_what_had_ended_before_an_interruption_is_told() -> None:
    def interrupted() -> JobResult:
        raise KeyboardInterrupt

    told: list[str] = []
    tools = Boxes(Reuse.RUN, gate=passing, lint=interrupted)
    evaluator = Evaluator(
        Boxes(Reuse.SINGLE_USE), (GATE, LINT), tools, listener=lambda name, *_: told.append(name)
    )
    with pytest.raises(KeyboardInterrupt):
        evaluator.evaluate("d")

    assert told == ["gate"]


def trying(tests: Boxes, most_at_once: int = 2) -> Evaluator:
    tools = Boxes(Reuse.RUN, gate=passing, lint=passing)
    return Evaluator(tests, (GATE, LINT, TESTS), tools, overlay_digest=overlaid, most_at_once=most_at_once)


def test_a_report_on_an_overlay_names_the_digest_of_the_store_with_it() -> None:
    evaluator = Evaluator(Boxes(Reuse.SINGLE_USE, tests=passing), (TESTS,), overlay_digest=overlaid)
    report = evaluator.evaluate("d", {"a.py": b"1"})

    assert report.green
    assert report.store_digest == "d+a.py"


def test_a_box_whose_overlaid_copy_is_another_judges_nothing() -> None:
    evaluator = Evaluator(
        Boxes(Reuse.SINGLE_USE, tests=passing), (TESTS,), overlay_digest=lambda overlay: "another"
    )

    with pytest.raises(SandboxFailure, match=r"a box copied store with overlay d\+a.py"):
        evaluator.evaluate("d", {"a.py": b"1"})


def test_candidates_are_judged_side_by_side_and_told_in_their_order() -> None:
    meeting = threading.Barrier(2, timeout=SECONDS)
    told: list[tuple[str, str, int]] = []

    def met() -> JobResult:
        meeting.wait()
        return passing()

    evaluator = Evaluator(
        Boxes(Reuse.SINGLE_USE, tests=met),
        (TESTS,),
        overlay_digest=overlaid,
        most_at_once=2,
        listener=lambda name, digest, result: told.append((name, digest, threading.get_ident())),
    )
    reports = evaluator.evaluate_candidates("d", [{"b": b""}, {"a": b""}])

    assert [report.store_digest for report in reports] == ["d+b", "d+a"]
    here = threading.get_ident()
    assert told == [("tests", "d+b", here), ("tests", "d+a", here)]


def test_no_more_candidates_at_once_than_are_allowed() -> None:
    lock = threading.Lock()

    def alone() -> JobResult:
        assert lock.acquire(blocking=False)
        result = passing()
        lock.release()
        return result

    evaluator = trying(Boxes(Reuse.SINGLE_USE, tests=alone), most_at_once=1)
    reports = evaluator.evaluate_candidates("d", [{f"{number}": b""} for number in range(8)])

    assert all(report.green for report in reports)


def test_a_candidate_that_the_store_would_refuse_loses_no_other() -> None:
    evaluator = trying(Boxes(Reuse.SINGLE_USE, tests=passing))
    refused, judged = evaluator.evaluate_candidates("d", [{"../out": b""}, {"a": b""}])

    assert judged.green
    assert not refused.green
    assert refused.store_digest == ""
    assert refused.results[0].ending is Ending.REJECTED
    assert "forbidden segment" in refused.results[0].findings[0].text


def test_a_candidate_at_which_boxes_break_loses_no_other() -> None:
    calls = iter([breaking, breaking, passing])
    evaluator = trying(Boxes(Reuse.SINGLE_USE, tests=lambda: next(calls)()), most_at_once=1)
    lost, judged = evaluator.evaluate_candidates("d", [{"a": b""}, {"b": b""}])

    assert lost.results[-1].verdict is Verdict.BROKEN_OFF
    assert judged.green


def test_when_no_candidate_can_be_judged_the_reason_is_raised() -> None:
    boxes = Boxes(Reuse.SINGLE_USE, tests=passing)
    boxes.digest = "other"

    with pytest.raises(SandboxFailure, match="a box copied store other"):
        Evaluator(boxes, (TESTS,), overlay_digest=overlaid).evaluate_candidates("d", [{"a": b""}, {"b": b""}])


def test_candidates_have_boxes_that_nobody_used_even_where_tests_share_one() -> None:
    fresh, shared = Boxes(Reuse.SINGLE_USE, tests=passing), Boxes(Reuse.RUN)
    tools = Boxes(Reuse.RUN, gate=passing, lint=passing)
    evaluator = Evaluator(fresh, (GATE, LINT, TESTS), tools, shared, overlay_digest=overlaid)
    (report,) = evaluator.evaluate_candidates("d", [{"a": b""}])

    assert report.results[-1].reuse is Reuse.SINGLE_USE
    assert shared.taken == 0


@pytest.mark.parametrize(
    ("due", "verdict"),
    [
        (Due(), Verdict.NOTHING_TO_JUDGE),
        (Due(whole=False), Verdict.NOTHING_TO_JUDGE),
        (Due(tests=False), Verdict.NOT_APPLICABLE),
    ],
)
def test_tests_that_a_later_step_writes_are_not_missing_yet(due: Due, verdict: Verdict) -> None:
    none = job_result(events=(finished(5),), exit_code=5)
    boxes = Boxes(Reuse.SINGLE_USE, **{TestCheck().job().argv[0]: lambda: none})

    (result,) = Evaluator(boxes, (TestCheck(),)).evaluate("d", due=due).results
    assert result.verdict is verdict


def test_a_fault_of_a_file_that_a_later_step_writes_is_a_remark() -> None:
    def found(*places: str) -> CheckResult:
        findings = tuple(Finding(place, "missing") for place in places)
        return CheckResult("book", Verdict.FAILED, Ending.EXITED, findings)

    due = Due(later=frozenset({"b.md"}))
    later, own, both, tests = of_what_is_due(
        due,
        Report(
            "d",
            (
                found("b.md:1"),
                found("a.md:1"),
                found("a.md:1", "b.md"),
                replace(found("b.md"), counts_tests=True),
            ),
        ),
    ).results

    assert later.verdict is Verdict.PASSED
    assert not later.findings[0].blocking
    assert (own, tests.verdict) == (found("a.md:1"), Verdict.FAILED)
    assert both.verdict is Verdict.FAILED
    assert [finding.blocking for finding in both.findings] == [True, False]
