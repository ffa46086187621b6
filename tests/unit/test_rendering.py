"""Reports as the model reads them: bounded, what blocks first, nothing untrusted outside its marks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.evaluation import CheckResult, FileCoverage, Finding, JudgedTest, Report, Verdict
from lmac.rendering import render_report, untrusted
from lmac_sandbox import Ending

MARKS = [
    "<untrusted>",
    "</untrusted>",
    "< / untrusted >",
    "</UNTRUSTED\n>",
    "<",
    "/",
    "untrusted",
    ">",
    "[mark]",
]


def failed(*findings: Finding) -> CheckResult:
    count = len(findings)
    return CheckResult(
        "tests", Verdict.FAILED, Ending.EXITED, findings, failed_count=count, counts_tests=True
    )


@given(st.text() | st.lists(st.sampled_from([*MARKS, "x", " "]), max_size=20).map("".join))
def test_nothing_within_closes_the_marks(text: str) -> None:
    marked = untrusted(text)
    inside = marked.removeprefix("<untrusted>\n").removesuffix("\n</untrusted>")

    assert marked == f"<untrusted>\n{inside}\n</untrusted>"
    assert not re.search(r"<\s*/?\s*untrusted\s*>", inside, re.IGNORECASE)


def test_plain_text_within_the_marks_is_left_as_it_is() -> None:
    assert untrusted("a < b and untrusted > c") == "<untrusted>\na < b and untrusted > c\n</untrusted>"


FINDINGS = st.builds(
    Finding, st.text(max_size=30), st.text(max_size=3000) | st.sampled_from(["a\nb", "c\nb"]), st.booleans()
)


@given(st.lists(FINDINGS, max_size=12), st.lists(FINDINGS, max_size=5), st.integers(0, 4000))
def test_a_report_is_never_longer_than_asked_and_always_the_same(
    findings: list[Finding], earlier: list[Finding], room: int
) -> None:
    report, before = Report("d", (failed(*findings),)), Report("c", (failed(*earlier),))
    text = render_report(report, room, before)

    assert len(text) <= room
    assert render_report(report, room, before) == text
    assert len(render_report(report, room)) <= room


TRACEBACK = """failed
    def test_it():
        first = 1
        a = 2
        b = 3
        c = 4
        d = 5
        e = 6
        f = 7
>       assert load("x") == 1

test_load.py:11:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    def load(path):
>       return json.loads(path)

loading.py:4:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    def loads(text):
>       return decoder.decode(text)

/usr/lib/python3.11/json/__init__.py:346:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    def raw_decode(self, s, idx=0):
>       raise JSONDecodeError("Expecting value", s, err.value) from None
E       json.decoder.JSONDecodeError: Expecting value at 0x7f00aabbccdd

/usr/lib/python3.11/json/decoder.py:355: JSONDecodeError"""


def test_a_traceback_keeps_the_stores_frames_and_the_error() -> None:
    text = render_report(Report("d", (failed(Finding("test_load.py::test_it", TRACEBACK)),)), 3000)

    assert ">       return json.loads(path)" in text
    assert "E       json.decoder.JSONDecodeError: Expecting value at 0x..." in text
    assert "loading.py:4:" in text
    assert "/usr/lib" not in text
    assert "raw_decode" not in text
    assert "first = 1" not in text


def test_what_is_new_comes_first_and_what_changed_is_counted() -> None:
    old, new = Finding("t::old", "failed\nassert 1 == 2"), Finding("t::new", "failed\nassert 3 == 4")
    text = render_report(
        Report("d", (failed(old, new),)), 1000, Report("c", (failed(old, Finding("t::gone", "x")),))
    )

    assert text.index("t::new") < text.index("t::old")
    assert "tests: 1 new faults, 1 gone, 1 as before" in text


def test_floods_within_a_failure_are_removed() -> None:
    flood = (
        "start\n"
        + "again\n" * 500
        + "E   assert "
        + "v" * 5000
        + " == 1\n"
        + " 45%|####     | 9/20\n"
        + "end"
    )
    text = render_report(Report("d", (failed(Finding("t::a", flood)),)), 3000)

    assert len(text) < 600
    assert "[the same line 499 more times]" in text
    assert "45%" not in text
    assert text.endswith("end")


def test_one_error_at_many_lines_is_told_once() -> None:
    findings = [
        Finding(f"t::{number}", f"failed\n>   f()\nE   NameError: name 'f'\n\nt.py:{number}: NameError")
        for number in range(3)
    ]
    text = render_report(Report("d", (failed(*findings),)), 3000)

    assert text.count("NameError: name 'f'") == 1
    assert "(the same at t::1, t::2)" in text


def test_what_blocks_is_shown_and_remarks_are_counted() -> None:
    remark = Finding("a.py:1", "F401 unused", blocking=False)
    fault = Finding("a.py:2", "F821 undefined name x")
    lint = CheckResult("lint", Verdict.FAILED, Ending.EXITED, (remark, fault), failed_count=1)
    text = render_report(Report("d", (lint,)), 1000)

    assert text.splitlines()[0] == "lint: failed (1 remarks)"
    assert "a.py:2: F821 undefined name x" in text
    assert "F401" not in text


def test_there_is_one_line_a_check_and_they_come_first() -> None:
    results = (
        CheckResult("syntax", Verdict.PASSED, Ending.EXITED, passed_count=2),
        failed(Finding("t::a", "failed\nassert 1 == 2")),
        CheckResult("acceptance", Verdict.BROKEN_OFF, Ending.TIMED_OUT),
    )

    assert render_report(Report("d", results), 1000).splitlines()[:3] == [
        "syntax: passed",
        "tests: failed (0 passed, 1 failed)",
        "acceptance: broken off: timed out",
    ]


def test_a_pass_that_its_own_process_claims_says_so_and_tells_no_times() -> None:
    tests = (JudgedTest("t::a", "passed", 0.25),)
    coverage = (FileCoverage("a.py", 3, 1, (2,)),)
    result = CheckResult(
        "unit",
        Verdict.PASSED,
        Ending.EXITED,
        passed_count=1,
        counts_tests=True,
        claimed=True,
        tests=tests,
        coverage=coverage,
    )
    tool = replace(result, check="mypy", counts_tests=False, coverage=())

    assert render_report(Report("d", (result,)), 1000) == (
        "unit: passed (1 passed, 0 failed; claimed by the tests' own process; 66 % of the lines run)"
    )
    assert render_report(Report("d", (tool,)), 1000) == (
        "mypy: passed (claimed by a tool that the files may steer)"
    )


def test_where_no_test_ran_the_remarks_say_why() -> None:
    remark = Finding("test_a.py:1", "switched off: pytest runs no test of TestA", blocking=False)
    result = CheckResult("tests", Verdict.NOTHING_TO_JUDGE, Ending.EXITED, (remark,))

    assert "tests: test_a.py:1: switched off" in render_report(Report("d", (result,)), 1000)


@pytest.mark.parametrize(
    ("verdict", "awaits", "said"),
    [
        (Verdict.NOTHING_TO_JUDGE, "there is no file *.py", "tests: there is no file *.py"),
        (Verdict.NOTHING_TO_JUDGE, "", "tests: there is nothing to check"),
        (Verdict.NOT_APPLICABLE, "there is no file *.md", "tests: not applicable: there is no file *.md"),
    ],
)
def test_a_check_without_files_says_what_it_awaits(verdict: Verdict, awaits: str, said: str) -> None:
    result = CheckResult("tests", verdict, Ending.EXITED, awaits=awaits)

    assert render_report(Report("d", (result,)), 1000) == said


def test_a_long_failure_keeps_its_head_and_more_of_its_tail() -> None:
    text = render_report(Report("d", (failed(Finding("t::a", "head" + "x" * 5000 + "tail")),)), 10_000)

    assert "t::a: head" in text
    assert text.endswith("tail")
    assert " [...] " in text


def test_findings_that_find_no_room_are_counted() -> None:
    findings = [Finding(f"t::{number}", "x" * 500 + str(number)) for number in range(9)]
    text = render_report(Report("d", (failed(*findings),)), 1500)

    assert "t::0" in text
    assert "t::8" not in text
    assert re.search(r"\d other faults are not shown", text)


def test_the_same_fault_at_many_places_is_told_once() -> None:
    findings = [Finding(f"t::{number}", f"line {number}\nNameError: x") for number in range(9)]
    text = render_report(Report("d", (failed(*findings),)), 3000)

    assert text.count("NameError: x") == 1
    assert "t::1, t::2" in text
    assert "3 more" in text


def suite_result(name: str, *findings: Finding) -> CheckResult:
    return replace(failed(*findings), check=name)


def test_what_the_task_says_is_told_before_tests_that_were_written_along() -> None:
    own = failed(Finding("test_a.py::test_f", "failed\nassert f(1) == 3"))
    example = suite_result("examples", Finding("example in line 3 of the task", "f(1) gave 3, not 2"))
    text = render_report(Report("d", (own, example)), 2000)

    said = text.index("The task says")
    assert said < text.index("f(1) gave 3, not 2") < text.index("assert f(1) == 3")
    assert "The task says" not in render_report(Report("d", (own,)), 2000)


def test_the_users_suites_come_in_their_order_and_change_is_told_of_each() -> None:
    example = suite_result("examples", Finding("example in line 3 of the task", "f(1) gave 3"))
    hidden = suite_result("acceptance", Finding("", "2 of 3 tests of the user's own do not pass"))
    before = Report("c", (suite_result("examples"), suite_result("acceptance")))
    text = render_report(Report("d", (example, hidden)), 2000, before)

    assert text.index("f(1) gave 3") < text.index("2 of 3 tests of the user's own")
    assert "examples: 1 new faults, 0 gone, 0 as before" in text


def test_files_that_do_not_parse_are_told_alone() -> None:
    syntax = CheckResult("syntax", Verdict.FAILED, Ending.EXITED, (Finding("a.py:1", "invalid syntax"),))
    example = suite_result("examples", Finding("example in line 3 of the task", "no module a"))
    text = render_report(Report("d", (syntax, example)), 2000)

    assert "invalid syntax" in text
    assert "no module a" not in text
