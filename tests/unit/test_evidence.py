"""A report tells which tests an instruction took away or made say less."""

from __future__ import annotations

import pytest

from job_results import finished, job_result, of_test
from lmac.checks import TestCheck
from lmac.evaluation import MOST_PROMISED, CheckResult, Finding, Report, Verdict
from lmac.evaluation.evidence import weakened
from lmac.evaluation.standing_tests import StandingTests
from lmac_sandbox import Ending, Notice, NoticeKind, Reading


def report(outcomes: dict[str, str], assertions: dict[str, int]) -> Report:
    """Of a session over tests with so many assertions each."""
    events = tuple(of_test(identity, outcome) for identity, outcome in outcomes.items())
    reading = Reading(tuple(assertions), tuple(assertions.values()))
    result = TestCheck().judge(job_result(events=(*events, finished()), reading=reading))
    return Report("d", (result,))


BEFORE = report({"t.py::a": "passed", "t.py::b[1]": "passed"}, {"t.py::a": 2, "t.py::b": 1})


def test_the_same_tests_are_as_strong_as_before() -> None:
    assert weakened(BEFORE, BEFORE) == {}


def test_more_tests_and_more_assertions_weaken_nothing() -> None:
    more = report({}, {"t.py::a": 3, "t.py::b": 1, "t.py::c": 0})

    assert weakened(BEFORE, more) == {}


def test_a_test_that_is_gone_or_says_less_is_named() -> None:
    after = report({"t.py::a": "passed"}, {"t.py::a": 1})

    assert weakened(BEFORE, after) == {
        "t.py::a": "states less: 1 assertions, it had 2",
        "t.py::b": "was deleted",
    }


def test_a_test_that_is_skipped_now_is_named_and_one_that_was_is_not() -> None:
    after = report({"t.py::a": "passed", "t.py::b[1]": "skipped"}, {"t.py::a": 2, "t.py::b": 1})

    assert weakened(BEFORE, after) == {"t.py::b[1]": "is skipped now"}
    assert weakened(after, after) == {}


def test_a_test_in_another_file_that_states_as_much_was_moved_and_a_weaker_one_was_not() -> None:
    moved = report({}, {"tests/t.py::a": 2, "tests/t.py::b": 0})

    assert weakened(BEFORE, moved) == {"t.py::b": "was deleted"}


def test_one_test_takes_the_place_of_one_that_was_moved_and_not_of_two() -> None:
    before = report({}, {"t.py::a": 1, "u.py::a": 1})

    assert weakened(before, report({}, {"v.py::a": 1})) == {"u.py::a": "was deleted"}


def test_a_test_that_was_moved_and_is_skipped_there_is_named() -> None:
    after = report({"u.py::b[1]": "skipped"}, {"t.py::a": 2, "u.py::b": 1})

    assert weakened(BEFORE, after) == {"u.py::b[1]": "is skipped now"}


def test_a_renamed_test_counts_as_deleted() -> None:
    renamed = report({}, {"t.py::a": 2, "t.py::bb": 1})

    assert weakened(BEFORE, renamed) == {"t.py::b": "was deleted"}


def test_a_test_that_a_full_report_has_no_room_for_is_not_gone() -> None:
    many = {f"t{number:04}.py::a": 1 for number in range(MOST_PROMISED)}
    before = report({}, {"t0000.py::b": 1} | many)

    assert weakened(before, report({}, {"t0000.py::b": 1, "new.py::a": 1} | many)) == {}
    assert weakened(before, report({}, {"new.py::a": 1} | many)) == {"t0000.py::b": "was deleted"}


@pytest.mark.parametrize(
    ("after", "retired"),
    [
        (report({}, {"t.py::a": 2}), "t.py::b"),
        (report({}, {"t.py::a": 1, "t.py::b": 1}), "t.py::a"),
        (report({"t.py::b[1]": "skipped"}, {"t.py::a": 2, "t.py::b": 1}), "t.py::b"),
        (report({"t.py::b[1]": "skipped"}, {"t.py::a": 2, "t.py::b": 1}), "t.py::b[1]"),
    ],
    ids=["deleted", "states less", "skipped, by its function", "skipped"],
)
def test_a_test_that_was_retired_is_missed_no_more(after: Report, retired: str) -> None:
    standing = StandingTests(weakened).closed(BEFORE)

    assert len(standing.unjustified(after)) == 1
    assert standing.unjustified(after)[0].startswith(retired)
    assert standing.retire(retired).unjustified(after) == ()


def test_a_test_of_which_somebody_says_why_is_missed_no_longer() -> None:
    after = report({"t.py::a": "passed", "t.py::b[1]": "skipped"}, {"t.py::a": 1, "t.py::b": 1})
    standing = StandingTests(weakened).closed(BEFORE)

    assert len(standing.unjustified(after)) == 2
    assert standing.retire("t.py::a").unjustified(after) == ("t.py::b[1] is skipped now",)
    assert standing.retire("t.py::a").retire("t.py::b").unjustified(after) == ()


def test_files_that_could_not_be_read_for_a_while_are_a_fault_of_their_own() -> None:
    broken = CheckResult("tests", Verdict.BROKEN_OFF, Ending.TIMED_OUT, (Finding("", "timed out"),))

    assert weakened(BEFORE, Report("d", (broken,))) == {}
    assert weakened(BEFORE, Report("d", ())) == {}


def test_tests_that_pytest_no_longer_collects_are_gone_even_if_none_is_left() -> None:
    notice = Notice(NoticeKind.SWITCHED_OFF, "t.py", 1, "pytest runs no test of Later")
    emptied = TestCheck().judge(job_result(events=(finished(),), reading=Reading((), (), notices=(notice,))))

    assert emptied.findings
    assert weakened(BEFORE, Report("d", (emptied,))) == {"t.py::a": "was deleted", "t.py::b": "was deleted"}


def test_placeholders_block_unless_the_config_says_otherwise() -> None:
    notice = Notice(NoticeKind.PLACEHOLDER, "m.py", 3, "f is not written: `pass`")
    reading = Reading(("t.py::a",), (1,), notices=(notice,))
    result = job_result(events=(of_test("t.py::a"), finished()), reading=reading)

    assert TestCheck().judge(result).verdict is Verdict.FAILED
    lenient = TestCheck(placeholders_block=False).judge(result)
    assert lenient.verdict is Verdict.PASSED
    assert lenient.findings == (Finding("m.py:3", "placeholder: f is not written: `pass`", blocking=False),)
