"""SARIF, the form in which most analysers can report. Source: OASIS SARIF 2.1.0, section 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmac.checks.parsers.json_report import json_of, line_or_none
from lmac.checks.said import Ran, Said, Told, Unreadable, told

_NO_FAULTS = frozenset({"pass", "notApplicable", "informational"})
"""Values of `kind` that name no fault; `open` and `review` leave it open, which is no pass."""


def parse_sarif(ran: Ran) -> Said:
    """One fault a result. What the store's own comments suppress is a fault all the same."""
    log = json_of(ran)
    match log:
        case {"version": "2.1.0", "runs": [_, *_] as runs}:
            results = [result for run in runs for result in _results(run)]
        case _:
            raise Unreadable("its report is no SARIF 2.1.0 with a run")
    faults = [result for result in results if _kind(result) not in _NO_FAULTS]
    return Said(tuple(_told(fault) for fault in faults), passed=len(results) - len(faults))


def _results(run: object) -> Iterator[object]:
    match run:
        # Without `results` a run says that nothing was looked at.
        case {"tool": {"driver": {"name": str()}}, "results": list(results), **rest}:
            invocations = rest.get("invocations", [])
            for invocation in invocations if isinstance(invocations, list) else [None]:
                if not isinstance(invocation, dict) or invocation.get("executionSuccessful") is not True:
                    raise Unreadable("its report says that the tool failed")
            yield from results
        case _:
            raise Unreadable("a run of its report has no results")


def _kind(result: object) -> str:
    if not isinstance(result, dict) or not isinstance(kind := result.get("kind", "fail"), str):
        raise Unreadable("a result of its report has another form")
    return kind


def _told(result: Any) -> Told:
    match result:
        case {"message": {"text": str(text)}}:
            path, line = _place(result)
            rule, level = result.get("ruleId", ""), result.get("level", "warning")
            return told(path, line, str(rule), text, remark=level in ("note", "none"))
        case _:
            raise Unreadable("a result of its report has no text")


def _place(result: Any) -> tuple[str, int | None]:
    match result.get("locations"):
        case [{"physicalLocation": {"artifactLocation": {"uri": str(uri)}} as place}, *_]:
            match place:
                case {"region": {"startLine": line}}:
                    return uri, line_or_none(line)
            return uri, None
        case _:
            return "", None
