"""Parsers of reports: what tools write is read; whatever else comes is unreadable, soon, in little room."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.checks.definition import ParserName
from lmac.checks.parsers import PARSERS
from lmac.checks.said import Ran, Said, Unreadable

MIB = 2**20
REPORTS = [name for name in PARSERS if name is not ParserName.EXIT_CODE]
CASE = '<testcase classname="c" name="n"/>'


def read(name: ParserName, report: object, **fields: Any) -> Said:
    raw = report if isinstance(report, bytes) else str(report).encode()
    return PARSERS[name](Ran(0, raw, **fields))


def sarif(*results: Any, **run: Any) -> str:
    driver = {"tool": {"driver": {"name": "t"}}}
    return json.dumps({"version": "2.1.0", "runs": [{**driver, "results": list(results), **run}]})


def node(**changes: Any) -> str:
    plain = {
        "files": ["a.test.js"],
        "expected": [],
        "results": [],
        "finished": True,
        "exit_code": 0,
        "words": "",
    }
    return json.dumps({**plain, **changes})


def node_result(name: str, outcome: str) -> dict[str, object]:
    return {"path": "a.test.js", "name": name, "line": 3, "outcome": outcome, "text": "why"}


def test_sarif_names_rule_place_and_text() -> None:
    place = {"artifactLocation": {"uri": "file:///scratch/subject/pkg/a.py"}, "region": {"startLine": 7}}
    said = read(
        ParserName.SARIF,
        sarif(
            {
                "ruleId": "r",
                "level": "error",
                "message": {"text": "bad"},
                "locations": [{"physicalLocation": place}],
            },
            {"level": "note", "message": {"text": "look"}},
            {"kind": "pass", "message": {"text": "fine"}},
            {"ruleId": "s", "message": {"text": "hidden"}, "suppressions": [{"kind": "inSource"}]},
        ),
    )
    assert [(one.where, one.rule, one.text, one.remark) for one in said.told] == [
        ("pkg/a.py:7", "r", "bad", False),
        ("", "", "look", True),
        ("", "s", "hidden", False),
    ]
    assert said.passed == 1


@pytest.mark.parametrize(
    "report",
    [
        '{"version": "2.1.0", "runs": []}',
        '{"version": "2.0.0", "runs": [{"tool": {"driver": {"name": "t"}}, "results": []}]}',
        '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "t"}}}]}',
        sarif(invocations=[{"executionSuccessful": False}]),
        sarif(invocations=[{}]),
        sarif(invocations="none"),
        sarif({"ruleId": "r"}),
        sarif({"kind": 3, "message": {"text": "x"}}),
        sarif([]),
    ],
)
def test_sarif_without_a_whole_run_is_unreadable(report: str) -> None:
    with pytest.raises(Unreadable):
        read(ParserName.SARIF, report)


def test_junit_names_what_failed_broke_or_was_skipped() -> None:
    said = read(
        ParserName.JUNIT_XML,
        f"<testsuites><testsuite>{CASE}"
        '<testcase classname="c" name="f"><failure message="1 != 2">trace &lt;here&gt;</failure></testcase>'
        '<testcase name="e"><error>boom</error></testcase>'
        '<testcase name="s"><skipped/></testcase><system-out>ok</system-out></testsuite></testsuites>',
    )
    assert (said.judged, said.passed) == (4, 1)
    assert [(one.where, one.rule) for one in said.told] == [
        ("c::f", "failure"),
        ("e", "error"),
        ("s", "skipped"),
    ]
    assert said.told[0].text == "failure: 1 != 2\ntrace <here>"


def test_junit_without_cases_judged_nothing() -> None:
    assert read(ParserName.JUNIT_XML, "<testsuites/>").judged == 0


BILLION = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><testsuite name="&b;">' + CASE + "</testsuite>"
)
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite>&a;</testsuite>'


@pytest.mark.parametrize(
    "report",
    [
        BILLION,
        EXTERNAL,
        '<!DOCTYPE testsuite SYSTEM "http://box/x.dtd"><testsuite/>',
        f"<testsuite>{CASE}",
        "<html/>",
        "<testcase/>",
        f"<testsuite>{CASE}</testsuite><testsuite/>",
        "<testsuite>&undefined;</testsuite>",
        "<testsuite><testcase><testcase/></testcase></testsuite>",
        "<testsuite>" * 30,
        b"<?xml version='1.0' encoding='no-such'?><testsuite/>",
        b"<testsuite>\xff\xfe</testsuite>",
        b"<testsuite>\x00</testsuite>",
    ],
)
def test_junit_that_is_broken_or_declares_entities_is_unreadable(report: str | bytes) -> None:
    with pytest.raises(Unreadable):
        read(ParserName.JUNIT_XML, report)


def test_node_tests_need_a_result_for_each_that_was_read() -> None:
    expected = [["a.test.js", "a", 3], ["a.test.js", "b", 4]]
    said = read(ParserName.NODE_EVENTS, node(expected=expected, results=[node_result("a", "passed")]))

    assert (said.passed, said.judged) == (1, 2)
    assert [(one.where, one.rule) for one in said.told] == [("a.test.js:4", "never-run")]


def test_node_tests_of_one_name_need_a_result_each() -> None:
    expected = [["a.test.js", "a", 3], ["a.test.js", "a", 4]]
    one = read(ParserName.NODE_EVENTS, node(expected=expected, results=[node_result("a", "passed")]))
    two = read(ParserName.NODE_EVENTS, node(expected=expected, results=[node_result("a", "passed")] * 2))

    assert [(fault.where, fault.rule) for fault in one.told] == [("a.test.js:4", "never-run")]
    assert (two.told, two.passed) == ((), 2)


def test_faults_that_are_only_counted_keep_their_rule() -> None:
    said = read(ParserName.FAULTS_JSON, '{"files": 2, "faults": [], "untold": {"dead-link": 3}}')
    assert (said.told, said.untold) == ((), {"dead-link": 3})
    for untold in ("3", "[]", '{"r": "3"}', '{"r": true}', '{"r": -1}'):
        with pytest.raises(Unreadable):
            read(ParserName.FAULTS_JSON, f'{{"files": 2, "faults": [], "untold": {untold}}}')


@pytest.mark.parametrize("outcome", ["failed", "skipped", "todo", "unfinished", "no tests", "anything"])
def test_a_node_test_passes_by_one_word_only(outcome: str) -> None:
    assert read(ParserName.NODE_EVENTS, node(results=[node_result("a", outcome)])).passed == 0


@pytest.mark.parametrize(
    "changes",
    [{"finished": False}, {"exit_code": 1}, {"words": 1}, {"more": 1}, {"results": [1]}, {"expected": [1]}],
)
def test_a_node_session_without_an_end_of_its_own_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(ParserName.NODE_EVENTS, node(**changes))


def test_an_exit_code_is_read_with_the_last_words() -> None:
    said = PARSERS[ParserName.EXIT_CODE](Ran(3, b"out", b"a\x1b[31mb\nthe end\n", path="x.js"))

    assert [(one.where, one.text) for one in said.told] == [("x.js", "ab\nthe end")]
    assert PARSERS[ParserName.EXIT_CODE](Ran(0, b"")).told == ()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "null": lambda: b"null",
    "deep lists": lambda: b"[" * MIB,
    "deep objects": lambda: b'{"a":' * (MIB // 5),
    "deep and closed": lambda: b"[" * (MIB // 2) + b"]" * (MIB // 2),
    "empty objects": lambda: b"[" + b"{}," * (MIB // 3) + b"{}]",
    "empty lists": lambda: b"[" + b"[]," * (MIB // 3) + b"[]]",
    "long number": lambda: b"1" * MIB,
    "not a number": lambda: b"[NaN, Infinity]",
    "lone surrogate": lambda: b'["\\ud800"]',
    "invalid UTF-8": lambda: b'["\xff"]',
    "UTF-16": lambda: '{"version": "2.1.0"}'.encode("utf-16"),
    "two documents": lambda: b"[] []",
    "trailing words": lambda: b"[]\nAll checks passed!",
    "one long string": lambda: b'["' + b"a" * MIB + b'"]',
    "empty elements": lambda: b"<x>" + b"<y/>" * (MIB // 4) + b"</x>",
    "attributes": lambda: b"<testsuite " + b" ".join(b'a%d="x"' % n for n in range(60_000)) + b">",
    "too large": lambda: b"[" + b" " * (9 * MIB) + b"]",
    "terminal": lambda: b"\x1b]0;title\x07[]",
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_reports_are_unreadable_soon_and_in_little_room(name: ParserName, kind: str) -> None:
    raw = HOSTILE[kind]()
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(Unreadable):
            read(name, raw)
        seconds, (_, most_bytes) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert seconds < 5
    assert most_bytes < 100 * MIB


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_that_was_cut_is_unreadable(name: ParserName) -> None:
    whole = {ParserName.JUNIT_XML: f"<testsuite>{CASE}</testsuite>", ParserName.SARIF: sarif()}
    whole |= {ParserName.NODE_EVENTS: node(), ParserName.RUFF_JSON: "[]"}
    report = whole.get(name, '{"files": 1, "faults": []}')

    assert read(name, report).told == ()
    with pytest.raises(Unreadable, match="cut"):
        read(name, report, cut=True)


FLOODS = {
    ParserName.SARIF: sarif(*[{"message": {"text": "x" * (9000 if n < 100 else 9)}} for n in range(900)]),
    ParserName.RUFF_JSON: json.dumps(
        [{"code": "F1", "filename": "a.py", "message": "x", "location": {"row": 1}} for _ in range(900)]
    ),
    ParserName.FAULTS_JSON: json.dumps(
        {"files": 1, "faults": [{"path": "a", "line": 1, "text": "x"} for _ in range(900)]}
    ),
    ParserName.JUNIT_XML: "<testsuite>" + "<testcase><failure/></testcase>" * 900 + "</testsuite>",
    ParserName.NODE_EVENTS: node(results=[node_result(f"{n}", "failed") for n in range(900)]),
}


@pytest.mark.parametrize("name", FLOODS)
def test_no_fault_of_a_flood_is_lost_before_it_is_classified(name: ParserName) -> None:
    said = read(name, FLOODS[name])

    assert len(said.told) == 900
    assert max(len(one.text) for one in said.told) <= 4000


def test_no_text_of_a_report_reaches_a_terminal_with_its_sequences() -> None:
    said = read(ParserName.SARIF, sarif({"ruleId": "r\x1b[2J", "message": {"text": "a\x1b[31mb\u202e"}}))

    assert (said.told[0].rule, said.told[0].text) == ("r", "ab")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "version"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(REPORTS),
    st.one_of(st.binary(max_size=80), JSON_VALUES.map(lambda v: json.dumps(v).encode())),
)
def test_whatever_comes_a_parser_reads_it_or_says_that_it_cannot(name: ParserName, raw: bytes) -> None:
    try:
        said = PARSERS[name](Ran(0, raw))
    except Unreadable:
        return
    assert (name, raw.strip()) == (ParserName.RUFF_JSON, b"[]"), said
