"""The answer of our own program `node_tests`: what a reporter of ours saw, beside what a reading expects.

Test processes run generated code and speak to node's test runner over their stdout, so a process can claim
what it likes. What it cannot do is pass by leaving: a test that was read in the file and has no result fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lmac.checks.parsers.json_report import json_of, line_or_none
from lmac.checks.said import Ran, Said, Told, Unreadable, told

PASSED = "passed"


def parse_node_events(ran: Ran) -> Said:
    """One fault a test that did not pass, and one a test or file without a result."""
    match json_of(ran):
        case {
            "files": list(files),
            "expected": list(expected),
            "results": list(results),
            "finished": bool(finished),
            "exit_code": int(exit_code),
            "words": str(words),
            **rest,
        } if not rest:
            pass
        case _:
            raise Unreadable("its report has another form")
    if files and not finished:
        raise Unreadable(f"the session did not come to its end (exit code {exit_code})\n{words}")
    faults: list[Told] = []
    passed = 0
    seen: Counter[tuple[str, str]] = Counter()
    for result in results:
        path, name, outcome, one = _read(result)
        seen[path, name] += 1
        if outcome == PASSED:
            passed += 1
        else:
            faults.append(one)
    faults += _never_run(expected, seen)
    if exit_code != 0 and not faults:
        raise Unreadable(f"exit code {exit_code} without a failed test\n{words}")
    return Said(tuple(faults), passed + len(faults), passed)


def _read(result: object) -> tuple[str, str, str, Told]:
    match result:
        case {"path": str(path), "name": str(name), "line": line, "outcome": str(outcome), "text": str(text)}:
            said = f"{outcome}: {name}\n{text}"
            return path, name, outcome, told(path, line_or_none(line), outcome, said)
        case _:
            raise Unreadable("a result of its report has another form")


def _never_run(expected: list[object], seen: Counter[tuple[str, str]]) -> Iterator[Told]:
    """Two tests of one name need two results: which of them ran, their names do not say."""
    left = seen.copy()
    for pair in expected:
        key = _key(pair)
        left[key] -= 1
        if left[key] < 0:
            yield _missing(pair)


def _key(pair: object) -> tuple[str, str]:
    match pair:
        case [str(path), str(name), _]:
            return path, name
        case _:
            raise Unreadable("an expected test of its report has another form")


def _missing(pair: object) -> Told:
    path, name = _key(pair)
    line = pair[2] if isinstance(pair, list) else None
    return told(
        path, line_or_none(line), "never-run", f"never run: {name}\nthe file holds it, and it has no result"
    )
