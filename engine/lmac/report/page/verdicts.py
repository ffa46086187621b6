"""The checks of a run: when they turned, and their last word."""

from __future__ import annotations

from typing import Any

from lmac.report.chronicle import Chronicle, Light

FINDINGS_SHOWN = 12
SLOWEST_SHOWN = 5
SLOW_SECONDS = 0.1
TURNS_SHOWN = 60
"""Turns of checks that are listed."""


def turned(chronicle: Chronicle) -> list[dict[str, Any]]:
    """Where a check turned, and what the files had undergone since it was asked last."""
    turned: list[dict[str, Any]] = []
    before: dict[str, Light] = {}
    since = 0
    for report in chronicle.reports:
        if report.kind == "acceptance":
            continue
        told: list[dict[str, Any]] = []
        for check in report.checks:
            if check.light is Light.GREY:
                continue
            was = before.get(check.name)
            before[check.name] = check.light
            if was is check.light or (was is None and check.light is Light.GREEN):
                continue
            blocking = [finding for finding in check.findings if finding.blocking]
            told.append(
                {
                    "name": check.name,
                    "light": check.light,
                    "turned": was is not None,
                    "words": check.words,
                    "first": blocking[:1],
                }
            )
        if told:
            paths = [
                change.path
                for call in chronicle.calls[since : report.call]
                for change in call.changes
                if change.before != change.after
            ]
            turned.append(
                {
                    "call": report.call,
                    "checks": told,
                    "paths": list(dict.fromkeys(paths)),
                    "green": report.green,
                }
            )
        since = max(report.call, since)
    return turned[-TURNS_SHOWN:]


def last_reports(chronicle: Chronicle) -> list[dict[str, Any]]:
    """The last word of the checks, and the user's suite's."""
    shown = []
    for kind, name in (("report", "The checks' last word"), ("acceptance", "The acceptance suite")):
        found = [report for report in chronicle.reports if report.kind == kind]
        if not found:
            continue
        tests = [test for check in found[-1].checks for test in check.tests if test[2] >= SLOW_SECONDS]
        shown.append(
            {
                "name": name,
                "report": found[-1],
                "slowest": sorted(tests, key=lambda test: -test[2])[:SLOWEST_SHOWN],
                "findings_shown": FINDINGS_SHOWN,
            }
        )
    return shown
