"""Reports are ordered by what is broken most; candidates by how many agree with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lmac.control_unit.candidates import (
    Candidate,
    agreement,
    choose,
    crossed_overlays,
    set_apart,
)
from lmac.evaluation import CheckResult, Finding, JudgedTest, PromisedTest, Report, Verdict
from lmac.evaluation.ranking import Judged, faults, rank
from lmac.messages import Finish, Reply
from lmac.processor.actions import Parsed
from lmac.program import is_test_file
from lmac_sandbox import Ending, Overlay, StoreFull

GATE = CheckResult("syntax", Verdict.PASSED, Ending.EXITED)
CLOSED = CheckResult("syntax", Verdict.FAILED, Ending.EXITED, (Finding("a.py", "no"),))


def session(passed: int, *failing: str, check: str = "tests") -> CheckResult:
    outcomes = [JudgedTest(name, "failed", 0.1) for name in failing]
    outcomes += [JudgedTest(f"test_ok.py::{number}", "passed", 0.1) for number in range(passed)]
    return CheckResult(
        check,
        Verdict.FAILED if failing else Verdict.PASSED,
        Ending.EXITED,
        tuple(Finding(name, "no") for name in failing),
        passed_count=passed,
        failed_count=len(failing),
        counts_tests=True,
        tests=tuple(outcomes),
    )


def on(*results: CheckResult, digest: str = "d") -> Report:
    return Report(digest, results)


ORDER = [
    (on(GATE, session(3), session(3, check="examples")), 0),
    (on(GATE, session(3), session(3, check="examples")), 1),
    (on(GATE, session(9, "a"), session(3, check="examples")), 0),
    (on(GATE, session(9, "a", "b"), session(3, check="examples")), 0),
    (on(GATE, session(3), session(2, "x", check="examples")), 0),
    (on(CLOSED), 0),
    (on(CheckResult("candidate", Verdict.BROKEN_OFF, Ending.REJECTED)), 0),
]


@pytest.mark.parametrize("place", range(len(ORDER) - 1))
def test_gates_weigh_most_then_suites_of_the_user_then_own_tests_then_missing_files(place: int) -> None:
    assert rank(*ORDER[place]) < rank(*ORDER[place + 1])


def test_a_report_without_tests_ranks_behind_one_whose_tests_fail() -> None:
    without = on(GATE, CheckResult("tests", Verdict.NOTHING_TO_JUDGE, Ending.EXITED))

    assert rank(on(GATE, session(0, "a", "b"))) < rank(without)


def test_tests_that_cannot_be_imported_weigh_as_much_as_if_each_failed() -> None:
    promised = tuple(PromisedTest(f"test_a.py::{name}", 1) for name in "abcde")
    two_fail = replace(session(3, "test_a.py::a", "test_a.py::b"), promised=promised)
    lost = replace(session(0), verdict=Verdict.FAILED, failed_count=1, promised=promised)

    assert rank(on(GATE, two_fail)) < rank(on(GATE, lost))


def test_new_tests_that_fail_break_nothing_and_old_ones_that_no_longer_pass_do() -> None:
    before = Judged(on(GATE, session(4)))

    assert not Judged(on(GATE, session(4, "new"))).breaks(before)
    assert Judged(on(GATE, session(3, "old"))).breaks(before)
    assert Judged(on(CLOSED)).breaks(before)


def test_the_same_faults_have_the_same_names_whatever_their_texts_say() -> None:
    first = on(GATE, CheckResult("lint", Verdict.FAILED, Ending.EXITED, (Finding("a.py:1", "0x1"),)))
    second = on(GATE, CheckResult("lint", Verdict.FAILED, Ending.EXITED, (Finding("a.py:1", "0x2"),)))

    assert faults(first) == faults(second)
    assert faults(on(GATE, session(1))) == ()


@pytest.mark.parametrize(
    ("path", "apart"),
    [
        ("test_a.py", "test_a__2.py"),
        ("pkg/a_test.py", "pkg/a__2_test.py"),
        ("a.test.mjs", "a__2.test.mjs"),
    ],
)
def test_a_test_file_that_is_set_apart_is_a_test_file_still(path: str, apart: str) -> None:
    assert set_apart(path, 2) == apart
    assert is_test_file(path)
    assert is_test_file(apart)


@pytest.mark.parametrize("path", ["a.py", "latest.py", "contest.js", "test_dir/a.py", "tests/conftest.py"])
def test_other_files_are_no_test_files(path: str) -> None:
    assert not is_test_file(path)


def drafted(**files: bytes) -> Candidate:
    overlay: Overlay = {f"{name}.py": content for name, content in files.items()}
    return Candidate(Reply("", Finish.STOP), Parsed(()), overlay)


THREE = [drafted(a=b"1", test_a=b"t1"), drafted(a=b"2", test_a=b"t2"), drafted(a=b"3", test_a=b"t3")]
OWN = [on(GATE, session(1, "x")), on(GATE, session(2, "x")), on(GATE, session(2, "x", "y"))]


def test_each_code_meets_the_tests_of_all_and_no_code_of_another() -> None:
    tests_of_all = {"test_a__1.py": b"t1", "test_a__2.py": b"t2", "test_a__3.py": b"t3"}

    assert crossed_overlays(THREE, OWN) == [{"a.py": code, **tests_of_all} for code in (b"1", b"2", b"3")]


def test_tests_that_never_ran_are_left_out_and_one_suite_alone_says_nothing() -> None:
    assert "test_a__3.py" not in crossed_overlays(THREE, [*OWN[:2], on(CLOSED)])[0]
    assert crossed_overlays(THREE, [OWN[0], on(CLOSED), on(CLOSED)]) == []


def test_the_score_is_those_who_pass_the_same_tests_times_the_tests() -> None:
    reports = [on(session(5, "x")), on(session(4, "y", "z")), on(session(4, "y", "z")), on(CLOSED)]

    assert agreement(reports) == [5, 8, 8, 0]


def test_two_that_cannot_import_different_tests_do_not_agree() -> None:
    def without(path: str) -> Report:
        lost = Finding(path, "cannot be collected")
        return on(replace(session(3), verdict=Verdict.FAILED, findings=(lost,)))

    files = [without(f"test_a__{number}.py") for number in (1, 2, 2)]

    assert agreement(files) == [3, 6, 6]


def test_tests_of_all_that_the_store_does_not_take_decide_nothing() -> None:
    def full(overlays: object) -> tuple[Report, ...]:
        raise StoreFull("a limit of the store would be passed")

    assert choose(THREE, OWN, full).index == 0


def test_candidates_that_agree_beat_the_one_with_the_better_report_of_its_own() -> None:
    crossed = (on(session(5, "x")), on(session(4, "y", "z")), on(session(4, "y", "z")))

    assert choose(THREE, OWN, lambda overlays: crossed).index == 1


def unasked(overlays: object) -> tuple[Report, ...]:
    raise AssertionError("what is known decides, and nothing is judged again")


def test_a_green_candidate_is_taken_without_asking_the_others() -> None:
    assert choose(THREE, [OWN[0], on(GATE, session(1)), OWN[2]], unasked).index == 1


def test_a_suite_of_the_users_decides_before_agreement() -> None:
    examples = [session(1, "e", "f", check="examples"), session(2, "e", check="examples")]
    reports = [on(GATE, session(9, "x"), one) for one in examples]

    assert choose(THREE[:2], reports, unasked).index == 1


def test_where_the_user_s_suite_finds_candidates_equally_good_agreement_decides() -> None:
    example = session(0, "e", check="examples")
    reports = [on(GATE, one.results[1], example) for one in OWN]
    crossed = [on(GATE, session(1, "a", "b")), on(GATE, session(3)), on(GATE, session(3))]

    assert choose(THREE, reports, lambda overlays: tuple(crossed)).index == 1


def test_a_candidate_that_never_came_to_the_user_s_suite_is_not_the_best_by_it() -> None:
    reports = [on(CLOSED), on(GATE, session(1, "x"), session(1, "e", check="examples"))]

    assert choose(THREE[:2], reports, unasked).index == 1
