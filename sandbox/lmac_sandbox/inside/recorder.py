"""The pytest plugin that tells the runner what happens, test by test, over a pipe of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from .events import ID_CHARACTERS, SECONDS, Event, cut_text, line_of

_IDS_CHARACTERS = 16_000
"""Ids that go into one event, all together."""


class Recorder:
    """Writes each event at once: what a killed session had reported is kept.

    Args:
        ordinary_stop: What pytest raises itself when it has seen enough failures.
    """

    def __init__(self, descriptor: int, ordinary_stop: type[BaseException]) -> None:
        self._descriptor = descriptor
        self._ordinary_stop = ordinary_stop
        self._seconds: dict[str, float] = {}
        self._reports: dict[str, tuple[str, str]] = {}
        self.interrupted = False

    def finished(self, exit_code: int) -> None:
        """The session is over; nothing follows."""
        self._tell({"kind": "finished", "exit_code": exit_code})

    def covered(self, files: Iterable[Event]) -> None:
        """Lines that ran, file by file."""
        for event in files:
            self._tell(event)

    def answered(self, comparisons: int) -> None:
        """How many comparisons of a judge the subject has answered."""
        self._tell({"kind": "answered", "comparisons": comparisons})

    def pytest_collection_finish(self, session: Any) -> None:
        self._tell_ids("collected", [item.nodeid for item in session.items])

    def pytest_deselected(self, items: Sequence[Any]) -> None:
        self._tell_ids("deselected", [item.nodeid for item in items])

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            text = cut_text(str(report.longreprtext))
            self._tell({"kind": "collect_error", "id": _short(report.nodeid), "text": text})
        elif report.skipped:
            text = cut_text(str(report.longreprtext))
            self._tell_test(_short(report.nodeid), "skipped", 0.0, text)

    def pytest_runtest_logreport(self, report: Any) -> None:
        identity = _short(report.nodeid)
        self._seconds[identity] = self._seconds.get(identity, 0.0) + float(report.duration)
        outcome = _outcome(report)
        known = self._reports.get(identity, ("", ""))[0]
        # Subtests report under their test's id, before it: what one of them says stays.
        if outcome and known != "failed" and not (known and outcome == "passed"):
            self._reports[identity] = (outcome, cut_text(str(report.longreprtext)))
        if report.when == "teardown":
            final, text = self._reports.pop(identity, ("error", "the test has no report of its call"))
            self._tell_test(identity, final, self._seconds.pop(identity), text)

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        # Errors of collection and `--maxfail` come by this way too; those sessions end as they should.
        if not isinstance(excinfo.value, self._ordinary_stop):
            self._interrupt(excinfo)

    def pytest_internalerror(self, excrepr: Any, excinfo: Any) -> None:
        self._interrupt(excinfo)

    def _interrupt(self, excinfo: Any) -> None:
        self.interrupted = True
        raised = excinfo.traceback[-1] if excinfo.traceback else None
        place = f" ({raised.path}:{raised.lineno + 1})" if raised else ""
        self._tell({"kind": "interrupted", "text": cut_text(f"{excinfo.typename}: {excinfo.value}{place}")})

    def _tell_test(self, identity: str, outcome: str, seconds: float, text: str) -> None:
        # A test that plays with the clock must not spoil its own report.
        seconds = min(max(seconds, 0.0), SECONDS / 2)
        self._tell({"kind": "test", "id": identity, "outcome": outcome, "seconds": seconds, "text": text})

    def _tell_ids(self, kind: str, ids: list[str]) -> None:
        batch: list[str] = []
        characters = 0
        for identity in map(_short, ids):
            if batch and characters + len(identity) > _IDS_CHARACTERS:
                self._tell({"kind": kind, "ids": batch})
                batch, characters = [], 0
            batch.append(identity)
            characters += len(identity)
        self._tell({"kind": kind, "ids": batch})

    def _tell(self, event: Event) -> None:
        rest = memoryview(line_of(event))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def _outcome(report: Any) -> str:
    """What this phase says of the test; "" when it only went well around it."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    match report.outcome, report.when:
        case "passed", "call":
            return "passed"
        case "passed", _:
            return ""
        case "skipped", _:
            return "skipped"
        case _, "call":
            return "failed"
        case _:
            return "error"


def _short(identity: str) -> str:
    return cut_text(identity, ID_CHARACTERS)
