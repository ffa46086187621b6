"""What checks read out of a job: only the clean case is a pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_results import Event, collected, finished, job_result, of_test, ran
from lmac.checks import AcceptanceCheck, AcceptanceForm, Check, TestCheck
from lmac.checks.session import MOST_FINDINGS, MOST_TESTS, canonical, canonical_output
from lmac.config import RunConfig
from lmac.errors import SandboxFailure
from lmac.evaluation import CheckResult, FileCoverage, Finding, Verdict
from lmac.inputs import load_checks
from lmac_sandbox import Ending, JobResult, Notice, NoticeKind, Output, Reading

CLEAN_SESSION = (collected("t.py::a"), of_test("t.py::a"), finished())
SHIPPED = {check.name: check for check in load_checks(RunConfig()).checks}
SARIF = '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "ty"}}, "results": []}]}'
CLEAN: dict[str, tuple[Check, JobResult]] = {
    "syntax": (SHIPPED["syntax"], job_result('{"files": 2, "faults": []}')),
    "lint": (SHIPPED["lint"], ran("[]")),
    "types": (SHIPPED["types"], ran(SARIF)),
    "tests": (TestCheck(), job_result(events=CLEAN_SESSION)),
    "acceptance": (AcceptanceCheck(), job_result(events=CLEAN_SESSION)),
}
CHECKS = pytest.mark.parametrize("name", CLEAN)
BROKEN = [ending for ending in Ending if ending is not Ending.EXITED]


def with_ending(result: JobResult, ending: Ending, exit_code: int | None = 0) -> JobResult:
    return job_result(
        result.stdout.text(), stderr="last words", ending=ending, exit_code=exit_code, events=result.events
    )


@pytest.mark.parametrize("comparisons", [0, 3])
@pytest.mark.parametrize("form", AcceptanceForm)
def test_a_suite_that_shares_its_process_or_asks_the_files_to_compare_is_claimed(
    form: AcceptanceForm, comparisons: int
) -> None:
    check = AcceptanceCheck(form)
    answered: Event = {"kind": "answered", "comparisons": comparisons}
    judged = check.judge(job_result(events=(*CLEAN_SESSION[:-1], answered, finished())))

    assert judged.claimed == (form is AcceptanceForm.IN_PROCESS or comparisons > 0)
    assert (judged.form, judged.answered_by_subject) == (form.value, comparisons)
    assert (check.job().judged_form is None) == check.job().is_session == (form is AcceptanceForm.IN_PROCESS)


def test_a_suite_that_passed_without_telling_what_it_left_to_the_files_is_claimed() -> None:
    judged = AcceptanceCheck(AcceptanceForm.API).judge(job_result(events=CLEAN_SESSION))

    assert (judged.verdict, judged.claimed) == (Verdict.PASSED, True)


def test_what_the_judged_files_wrote_is_told_when_their_suite_fails() -> None:
    failing = job_result(events=(collected("t.py::a"), finished()), subject_output="last words")

    assert AcceptanceCheck().judge(failing).findings[-1] == Finding(
        "output of the judged files", "last words", blocking=False
    )


def session(*events: Event, exit_code: int = 0) -> CheckResult:
    return TestCheck().judge(job_result(events=(*events, finished(exit_code)), exit_code=exit_code))


@CHECKS
def test_the_clean_case_is_a_pass_without_findings(name: str) -> None:
    check, result = CLEAN[name]
    judged = check.judge(result)

    assert (judged.check, judged.verdict, judged.ending) == (name, Verdict.PASSED, Ending.EXITED)
    assert judged.findings == ()


@CHECKS
@pytest.mark.parametrize("ending", BROKEN)
def test_no_ending_but_an_exit_is_ever_a_pass(name: str, ending: Ending) -> None:
    check, result = CLEAN[name]
    if ending is Ending.REJECTED and name not in ("tests", "acceptance"):
        with pytest.raises(SandboxFailure, match=rf"{name} cannot be started: last words"):
            check.judge(with_ending(result, ending))
        return
    judged = check.judge(with_ending(result, ending))

    assert (judged.verdict, judged.ending) == (Verdict.BROKEN_OFF, ending)
    assert "last words" in judged.findings[0].text


@CHECKS
@pytest.mark.parametrize("exit_code", [1, 3, 4, 5, 70, 120, 137, 255])
def test_an_exit_code_that_disagrees_is_no_pass(name: str, exit_code: int) -> None:
    check, result = CLEAN[name]
    judged = check.judge(with_ending(result, Ending.EXITED, exit_code))

    assert judged.verdict is not Verdict.PASSED
    assert not judged.findings or "exit code" in judged.findings[0].text or name in ("tests", "acceptance")


@pytest.mark.parametrize("name", ["syntax", "lint", "types"])
@pytest.mark.parametrize(
    "stdout", ["", "null", "{}", "[{}]", "[[]]", "{", '{"files": 1}', "[" * 100_000, "Traceback", "[] []"]
)
def test_an_answer_of_another_form_is_incomplete(name: str, stdout: str) -> None:
    check = CLEAN[name][0]
    for result in (job_result(stdout), *([] if name == "syntax" else [ran(stdout)])):
        judged = check.judge(result)
        assert (judged.verdict, judged.ending) == (Verdict.BROKEN_OFF, Ending.INCOMPLETE)


@pytest.mark.parametrize("name", ["syntax", "lint", "types"])
def test_an_answer_that_was_cut_is_incomplete(name: str) -> None:
    cut = Output(b"[", b"]", 100_000)
    result = JobResult(Ending.EXITED, 0, None, cut, Output(b"", b"", 0), (), 0.1, 0)

    assert CLEAN[name][0].judge(result).ending is Ending.INCOMPLETE


EVENTS = st.lists(
    st.one_of(
        st.builds(
            of_test,
            st.sampled_from(["t::a", "t::b"]),
            st.sampled_from(["passed", "failed", "error", "skipped", "xfailed", "xpassed"]),
        ),
        st.builds(lambda ids: collected(*ids), st.lists(st.sampled_from(["t::a", "t::b"]), max_size=2)),
        st.just({"kind": "deselected", "ids": ["t::b"]}),
        st.just({"kind": "collect_error", "id": "t", "text": "x"}),
        st.just({"kind": "interrupted", "text": "x"}),
    ),
    max_size=5,
)


EXPECTED = st.lists(st.sampled_from(["t::a", "t::b", "t::c"]), max_size=2, unique=True)


@given(EVENTS, EXPECTED, st.sampled_from(Ending), st.sampled_from([0, 1, 2, 5]))
def test_a_session_passes_only_if_it_exited_with_0_and_every_promised_test_passed(
    events: list[Event], expected: list[str], ending: Ending, exit_code: int
) -> None:
    reading = Reading(tuple(expected))
    judged = TestCheck().judge(
        job_result(ending=ending, exit_code=exit_code, events=tuple(events), reading=reading)
    )
    ran = {event["id"] for event in events if event["kind"] == "test"}
    if judged.verdict is Verdict.PASSED:
        assert ending is Ending.EXITED
        assert exit_code == 0
        assert ran >= set(expected)
        assert ran
        for event in events:
            assert event["kind"] in ("test", "collected")
            assert event.get("outcome", "passed") == "passed"
            assert set(event.get("ids", ())) <= ran


def test_no_tests_are_nothing_to_judge() -> None:
    assert session(collected(), exit_code=5).verdict is Verdict.NOTHING_TO_JUDGE
    assert session(collected()).verdict is Verdict.NOTHING_TO_JUDGE
    assert session().verdict is Verdict.NOTHING_TO_JUDGE


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "xfailed", "xpassed"])
def test_a_test_that_did_not_pass_fails_the_check_and_is_named(outcome: str) -> None:
    judged = session(of_test("t::a"), of_test("t::b", outcome, "why"))

    assert (judged.verdict, judged.passed_count, judged.failed_count) == (Verdict.FAILED, 1, 1)
    assert judged.findings == (Finding("t::b", f"{outcome}\nwhy"),)


def test_deselected_tests_and_errors_of_collection_are_named() -> None:
    deselected = session(of_test("t::a"), {"kind": "deselected", "ids": ["t::b", "t::c"]})
    error = session({"kind": "collect_error", "id": "", "text": "no module x"}, exit_code=2)
    interrupted = session(of_test("t::a"), {"kind": "interrupted", "text": "Exit: bye"}, exit_code=2)

    assert [finding.where for finding in deselected.findings] == ["t::b", "t::c"]
    assert error.findings == (Finding("collection", "cannot be collected\nno module x"),)
    assert interrupted.findings == (Finding("session", "broken off: Exit: bye"),)
    assert {deselected.verdict, error.verdict, interrupted.verdict} == {Verdict.FAILED}


def test_a_test_that_was_collected_and_never_ran_is_no_pass() -> None:
    judged = session(collected("t::a", "t::b"), of_test("t::a"))

    assert judged.verdict is Verdict.FAILED
    assert judged.findings == (Finding("t::b", "collected and never run"),)


def read_session(reading: Reading, *events: Event, exit_code: int = 0) -> CheckResult:
    result = job_result(events=(*events, finished(exit_code)), exit_code=exit_code, reading=reading)
    return TestCheck().judge(result)


def test_a_promised_test_that_never_ran_fails_the_check_and_is_named() -> None:
    judged = read_session(Reading(("t.py::a", "t.py::b")), collected("t.py::a"), of_test("t.py::a"))

    assert (judged.verdict, judged.passed_count, judged.failed_count) == (Verdict.FAILED, 1, 1)
    assert judged.findings == (Finding("t.py::b", "expected by reading the file, never ran"),)


def test_parametrised_results_keep_the_promise_of_their_function() -> None:
    judged = read_session(Reading(("t.py::a",)), of_test("t.py::a[x::y[1]]"), of_test("t.py::a[2]"))

    assert (judged.verdict, judged.findings) == (Verdict.PASSED, ())


def test_tests_beyond_the_reading_are_counted_and_named() -> None:
    judged = read_session(Reading(("t.py::a",)), of_test("t.py::a"), of_test("t.py::B::inherited"))

    assert judged.verdict is Verdict.PASSED
    assert judged.failed_count == 0
    assert judged.findings == (
        Finding("session", "1 ids beyond the static reading: t.py::B::inherited", blocking=False),
    )


@pytest.mark.parametrize("identity", ["", "d", "d/t.py", "d/t.py::T"])
def test_tests_of_what_cannot_be_collected_are_not_named_again(identity: str) -> None:
    error = {"kind": "collect_error", "id": identity, "text": "no"}

    assert len(read_session(Reading(("d/t.py::T::a",)), error, exit_code=2).findings) == 1


def test_a_whole_file_that_is_skipped_is_one_finding() -> None:
    judged = read_session(Reading(("t.py::a",)), of_test("t.py", "skipped"), exit_code=5)

    assert judged.findings == (Finding("t.py", "skipped"),)


def test_a_passed_result_for_a_whole_file_excuses_no_test_of_it() -> None:
    judged = read_session(Reading(("t.py::a",)), of_test("t.py"))

    assert judged.verdict is Verdict.FAILED


def test_a_promise_too_long_to_compare_is_no_pass() -> None:
    judged = read_session(Reading(("t.py::a",), ids_left_out=1), of_test("t.py::a"))

    assert (judged.verdict, judged.findings[0].where) == (Verdict.FAILED, "session")


def test_a_session_without_a_reading_is_incomplete() -> None:
    unread = replace(job_result(events=CLEAN_SESSION), reading=None)
    judged = TestCheck().judge(unread)

    assert (judged.verdict, judged.ending) == (Verdict.BROKEN_OFF, Ending.INCOMPLETE)


BLOCKING = {
    NoticeKind.CHANGES_SESSION,
    NoticeKind.HIDDEN,
    NoticeKind.UNREADABLE,
    NoticeKind.TESTS_NOTHING,
    NoticeKind.REIMPLEMENTS,
    NoticeKind.PLACEHOLDER,
    NoticeKind.HIDES_METHOD,
}


@pytest.mark.parametrize("kind", NoticeKind)
def test_notices_of_the_reading_block_or_are_remarks(kind: NoticeKind) -> None:
    reading = Reading(("t.py::a",), notices=(Notice(kind, "conftest.py", 3, "why"),))
    judged = read_session(reading, of_test("t.py::a"))

    assert judged.verdict is (Verdict.FAILED if kind in BLOCKING else Verdict.PASSED)
    assert [(finding.where, finding.blocking) for finding in judged.findings] == [
        ("conftest.py:3", kind in BLOCKING)
    ] * (kind is not NoticeKind.LEAVES)


def test_what_leaves_the_session_is_named_when_it_did_not_end() -> None:
    reading = Reading(notices=(Notice(NoticeKind.LEAVES, "conftest.py", 1, "os._exit() ends the session"),))
    judged = TestCheck().judge(job_result(ending=Ending.INCOMPLETE, reading=reading))

    assert [finding.where for finding in judged.findings] == ["", "conftest.py:1"]


def test_hooks_of_the_users_own_suite_are_meant() -> None:
    reading = Reading(("t.py::a",), notices=(Notice(NoticeKind.CHANGES_SESSION, "conftest.py", 3, "why"),))
    events = (of_test("t.py::a"), finished())

    assert AcceptanceCheck().judge(job_result(events=events, reading=reading)).verdict is Verdict.PASSED
    assert AcceptanceCheck().judge(job_result(events=events[1:], reading=reading)).verdict is Verdict.FAILED


def test_a_session_is_claimed_and_tells_each_test_with_its_time() -> None:
    slow = dict(of_test("t::slow")) | {"seconds": 2.0}
    judged = session(of_test("t::a"), slow, of_test("t::b", "failed"))

    assert judged.claimed
    assert judged.counts_tests
    assert judged.tests == (("t::b", "failed", 0.1), ("t::a", "passed", 0.1), ("t::slow", "passed", 2.0))


def test_a_session_of_any_name_says_what_to_write_where_there_are_no_tests() -> None:
    absent = TestCheck(name="unit").judge(job_result(events=(collected(), finished(5)), exit_code=5))

    assert "pytest functions named test_" in absent.awaits
    assert session(of_test("t::a")).awaits == ""


def test_of_many_tests_the_most_telling_are_kept() -> None:
    judged = session(*(of_test(f"t::{number}") for number in range(MOST_TESTS)), of_test("t::b", "failed"))

    assert len(judged.tests) == MOST_TESTS
    assert judged.tests[0].id == "t::b"
    assert judged.passed_count == MOST_TESTS


def test_of_many_findings_the_faults_are_kept_and_the_rest_is_counted() -> None:
    ids = tuple(f"t::{number}" for number in range(MOST_FINDINGS))
    notice = Notice(NoticeKind.SHADOWS, "a.py", 0, "x")
    judged = read_session(Reading(ids, notices=(notice,) * 9), of_test("t::b", "failed"))

    assert judged.failed_count == MOST_FINDINGS + 1
    assert len(judged.findings) == MOST_FINDINGS + 1
    assert all(finding.blocking for finding in judged.findings)
    assert judged.findings[-1] == Finding("session", "11 findings more are left out")


def test_coverage_is_taken_from_the_session_s_events() -> None:
    event = {"kind": "coverage", "path": "a.py", "statements": 8, "missed": 2, "missing": [3, 4]}
    judged = session(of_test("t::a"), event)

    assert judged.coverage == (FileCoverage("a.py", 8, 2, (3, 4)),)
    assert judged.covered_percent == 75


def test_a_session_that_broke_off_keeps_what_it_had_told() -> None:
    events = (collected("t::a", "t::b", "t::c"), of_test("t::a"), of_test("t::b", "failed", "assert"))
    judged = TestCheck().judge(job_result(ending=Ending.TIMED_OUT, events=events))

    assert (judged.verdict, judged.passed_count, judged.failed_count) == (Verdict.BROKEN_OFF, 1, 1)
    assert [finding.where for finding in judged.findings] == ["", "t::b"]


def test_printed_output_of_a_session_counts_for_nothing() -> None:
    result = job_result(
        "1 passed in 0.01s\n" + json.dumps(CLEAN_SESSION[1]), events=(finished(5),), exit_code=5
    )

    judged = TestCheck().judge(result)
    assert judged.verdict is Verdict.NOTHING_TO_JUDGE
    assert "pytest functions named test_" in judged.awaits


def test_a_failure_s_text_is_the_same_in_every_run() -> None:
    text = "<A object at 0x7f3cbf3aa910> in /scratch/tmp/pytest-of-job/pytest-0/a.txt and 0x1f"

    assert canonical(text) == "<A object at 0x...> in /scratch/tmp/... and 0x1f"
    assert canonical("1 failed in 0.12s, in 3 s") == "1 failed in ... s, in 3 s"


def test_a_program_s_output_is_the_same_in_every_run_and_keeps_the_numbers_that_it_means() -> None:
    text = "<A object at 0x7f3cbf3aa910> in /scratch/tmp/tmpq1w2/a.txt says 0xdeadbeef in 0.12s"

    assert canonical_output(text) == "<A object at 0x...> in /scratch/tmp/... says 0xdeadbeef in 0.12s"


def test_syntax_names_each_fault_by_path_and_line() -> None:
    faults = [{"path": "a.py", "line": 3, "text": "invalid syntax: x ="}]
    judged = SHIPPED["syntax"].judge(job_result(json.dumps({"files": 2, "faults": faults})))

    assert judged.findings == (Finding("a.py:3", "invalid syntax: x ="),)
    assert (judged.verdict, judged.passed_count, judged.failed_count) == (Verdict.FAILED, 1, 1)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"files": 0, "faults": []}, Verdict.NOTHING_TO_JUDGE),
        ({"files": -1, "faults": []}, Verdict.BROKEN_OFF),
        ({"files": 1, "faults": [], "more": 1}, Verdict.BROKEN_OFF),
        ({"files": 1, "faults": [{"path": "a.py"}]}, Verdict.BROKEN_OFF),
    ],
)
def test_syntax_of_no_files_or_of_a_strange_answer_is_no_pass(answer: Any, verdict: Verdict) -> None:
    assert SHIPPED["syntax"].judge(job_result(json.dumps(answer))).verdict is verdict


def linted(*codes: str | None, check: Check | None = None) -> CheckResult:
    found = [
        {"code": code, "filename": "/scratch/subject/pkg/a.py", "message": "said", "location": {"row": 7}}
        for code in codes
    ]
    return (check or SHIPPED["lint"]).judge(ran(json.dumps(found)))


def test_lint_fails_on_what_blocks_and_passes_with_remarks() -> None:
    judged = linted("F821", "F401")

    assert judged.verdict is Verdict.FAILED
    assert [(finding.where, finding.blocking) for finding in judged.findings] == [
        ("pkg/a.py:7", True),
        ("pkg/a.py:7", False),
    ]
    assert judged.findings[0].text.startswith("F821 said")
    assert linted("F401").verdict is Verdict.PASSED


@pytest.mark.parametrize("code", [None, "invalid-syntax", "E999", "W605"])
def test_a_diagnostic_that_no_rule_names_blocks(code: str | None) -> None:
    assert linted(code).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("blocking", "advisory", "verdict"),
    [
        (("F82",), ("F",), Verdict.FAILED),
        (("F",), ("F82",), Verdict.PASSED),
        (("F821",), ("F821",), Verdict.FAILED),
        (("F",), (), Verdict.FAILED),
    ],
)
def test_of_two_rules_that_fit_the_longer_one_counts(
    blocking: tuple[str, ...], advisory: tuple[str, ...], verdict: Verdict
) -> None:
    rules = {"lint": {"blocking": blocking, "advisory": advisory}}
    check = load_checks(RunConfig.model_validate({"rules": rules})).checks[1]

    assert linted("F821", check=check).verdict is verdict


def test_rules_that_ruff_does_not_know_are_a_fault_of_the_config() -> None:
    with pytest.raises(SandboxFailure, match="XYZ") as error:
        SHIPPED["lint"].judge(ran(stderr="error: invalid value 'XYZ'", exit_code=2))

    assert "rules.lint" in error.value.next_step


def test_what_executes_generated_code_comes_last() -> None:
    assert list(SHIPPED) == ["syntax", "lint", "types", "tests"]
    assert [check.gates for check in SHIPPED.values()] == [True, False, False, False]


JUDGES: list[Callable[[JobResult], CheckResult]] = [check.judge for check, _ in CLEAN.values()]


@given(st.text(max_size=60), st.sampled_from(JUDGES), st.sampled_from([0, 1, 5]))
def test_no_output_breaks_a_check(
    stdout: str, judge: Callable[[JobResult], CheckResult], exit_code: int
) -> None:
    assert (
        judge(job_result(stdout, exit_code=exit_code)).verdict is not Verdict.PASSED or stdout.strip() == "[]"
    )
