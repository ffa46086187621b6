"""Reports as the model reads them: bounded, what blocks first, nothing untrusted outside its marks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.evaluation import CheckResult, FileCoverage, Finding, JudgedTest, Report, Verdict
from lmac.rendering import FINDING_CHARACTERS, render_report, untrusted
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


@given(st.lists(FINDINGS, max_size=12), st.integers(0, 4000))
def test_a_report_stays_within_its_room_or_shows_one_finding(findings: list[Finding], room: int) -> None:
    text = render_report(Report("d", (failed(*findings),)), room)
    one_finding = FINDING_CHARACTERS + 600

    assert len(text) <= max(room, one_finding) + 200


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
    assert "\n[...]\n" in text


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
