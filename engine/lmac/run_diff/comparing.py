"""How two runs differ: what they stand on, plan and write, how it was judged, what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from enum import StrEnum
from typing import Any

from lmac.evaluation import CheckResult
from lmac.run_diff.record import FileFacts, RunRecord
from lmac.run_lock import compare

COMPARED_LINES = 1000
"""Of a file, without what is the same at its beginning and end."""
COMPARING_SECONDS = 10.0
"""Of processor time, for the lines of all files: how alike two hostile ones are can take long to say."""
CONTEXT_LINES = 3


class Kind(StrEnum):
    """What became of a file from one run to the other."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of both runs."""

    name: str
    a: Any
    b: Any
    counts: bool = True
    """Whether runs in which it differs are different; not of what no two runs share, such as time."""

    @property
    def differs(self) -> bool:
        return bool(self.a != self.b)


@dataclass(frozen=True, slots=True)
class LockDifference:
    """A value that the locks have not in common."""

    path: str
    a: Any
    b: Any
    drift: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that both runs do not have alike."""

    path: str
    kind: Kind
    bytes_a: int | None
    bytes_b: int | None
    lines_added: int = 0
    lines_removed: int = 0
    diff: tuple[str, ...] = ()
    """Unified, without its two head lines."""
    unshown: str = ""
    """Why there is no diff."""


@dataclass(frozen=True, slots=True)
class TestChange:
    """A test that came to another result."""

    __test__ = False

    id: str
    a: str | None
    """None where the run's report does not list it: it passed, or is not there."""
    b: str | None


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A check with another verdict, other counts, or tests with other results."""

    check: str
    a: str | None
    """None where it was not judged."""
    b: str | None
    tests: tuple[TestChange, ...] = ()


@dataclass(frozen=True, slots=True)
class RunDifference:
    """Two runs beside each other."""

    a: str
    b: str
    figures: tuple[Figure, ...]
    """All of them, those that are alike too."""
    lock: tuple[LockDifference, ...]
    without_lock: tuple[str, ...]
    """Runs that recorded none, so that nothing is known of it."""
    requirements: tuple[str, ...]
    """Lines of a unified diff, as `program`."""
    program: tuple[str, ...]
    files: tuple[FileChange, ...]
    files_alike: int
    verdicts: tuple[VerdictChange, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs but what always does."""
        counted = any(figure.differs for figure in self.figures if figure.counts)
        parts = (self.lock, self.without_lock, self.requirements, self.program, self.files, self.verdicts)
        return not counted and not any(parts)

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"same": self.same, **asdict(self)}


def compare_runs(
    a: RunRecord, b: RunRecord, *, lines: bool = True, clock: Callable[[], float] = time.process_time
) -> RunDifference:
    """Compare two runs.

    Args:
        lines: Whether files are compared line by line; else by digest and size.
        clock: Of processor time, in seconds.
    """
    return RunDifference(
        a=a.name,
        b=b.name,
        figures=_figures(a, b),
        lock=_lock(a, b),
        without_lock=tuple(run.name for run in (a, b) if run.lock is None) if a.lock != b.lock else (),
        requirements=_diff(a.requirements, b.requirements),
        program=_diff(a.program, b.program),
        files=tuple(_FileComparison(a, b, lines, clock).changes()),
        files_alike=sum(a.files[path] == b.files[path] for path in a.files.keys() & b.files.keys()),
        verdicts=_verdicts(a, b),
    )


def _figures(a: RunRecord, b: RunRecord) -> tuple[Figure, ...]:
    def figure(name: str, counts: bool = True) -> Figure:
        return Figure(name, getattr(a, name), getattr(b, name), counts)

    return (
        figure("task"),
        figure("machine"),
        figure("outcome"),
        figure("instructions_completed"),
        figure("calls"),
        figure("cached_replies"),
        figure("prompt_tokens"),
        figure("reply_tokens"),
        # What a server still had in its cache is an accident.
        figure("cached_tokens", counts=False),
        figure("cost", counts=False),
        figure("seconds", counts=False),
    )


def _lock(a: RunRecord, b: RunRecord) -> tuple[LockDifference, ...]:
    if a.lock is None or b.lock is None:
        return ()
    found = compare(a.lock, b.lock)
    return tuple(LockDifference(one.path, one.a, one.b, one.drift.value) for one in found)


def _diff(a: Sequence[str], b: Sequence[str]) -> tuple[str, ...]:
    """Lines of a unified diff without its head."""
    return tuple(unified_diff(a, b, n=CONTEXT_LINES, lineterm=""))[2:]


class _FileComparison:
    """Compares files while there is time."""

    def __init__(self, a: RunRecord, b: RunRecord, lines: bool, clock: Callable[[], float]) -> None:
        self._a = a
        self._b = b
        self._lines = lines
        self._clock = clock
        self._end = clock() + COMPARING_SECONDS

    def changes(self) -> list[FileChange]:
        """Of every file that is not alike, by path."""
        a, b = self._a.files, self._b.files
        return [self._change(path) for path in sorted(a.keys() | b.keys()) if a.get(path) != b.get(path)]

    def _change(self, path: str) -> FileChange:
        before, after = self._a.files.get(path), self._b.files.get(path)
        kind = Kind.ADDED if before is None else Kind.REMOVED if after is None else Kind.CHANGED
        sizes = _size(before), _size(after)
        if not self._lines:
            return FileChange(path, kind, *sizes)
        old = self._a.text(path) if before else ""
        new = self._b.text(path) if after else ""
        if old is None or new is None:
            return FileChange(path, kind, *sizes, unshown="no text, or too long")
        diff, unshown = self._compared(old.splitlines(), new.splitlines())
        added = sum(line.startswith("+") for line in diff)
        removed = sum(line.startswith("-") for line in diff)
        return FileChange(path, kind, *sizes, added, removed, diff, unshown)

    def _compared(self, old: list[str], new: list[str]) -> tuple[tuple[str, ...], str]:
        """The diff, or why there is none."""
        if self._clock() > self._end:
            return (), "no time left to compare its lines"
        first = _alike(old, new)
        last = min(_alike(old[::-1], new[::-1]), min(len(old), len(new)) - first)
        middles = old[first : len(old) - last], new[first : len(new) - last]
        if all(middles) and max(map(len, middles)) > COMPARED_LINES:
            return (), f"more than {COMPARED_LINES} lines between what is alike"
        # Lines that are alike cost nothing to compare, but for those beside a change.
        start = max(0, first - CONTEXT_LINES)
        stop = max(0, last - CONTEXT_LINES)
        diff = _diff(old[start : len(old) - stop], new[start : len(new) - stop])
        if not diff:
            return (), "the ends of its lines differ"
        return tuple(_moved(line, start) for line in diff), ""


def _size(file: FileFacts | None) -> int | None:
    return None if file is None else file.size_bytes


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines both begin with."""
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _moved(line: str, by: int) -> str:
    """A line of a diff; the place that a head names is counted from the file's beginning."""
    if not by or not line.startswith("@@ "):
        return line
    _, old, new, end = line.split(" ")

    def moved(place: str) -> str:
        number, comma, length = place[1:].partition(",")
        return f"{place[0]}{int(number) + by}{comma}{length}"

    return f"@@ {moved(old)} {moved(new)} {end}"


def _verdicts(a: RunRecord, b: RunRecord) -> tuple[VerdictChange, ...]:
    before = {result.check: result for result in a.checks}
    after = {result.check: result for result in b.checks}
    changes = []
    for check in dict.fromkeys((*before, *after)):
        old, new = before.get(check), after.get(check)
        said = _said(old), _said(new)
        tests = _tests(old, new)
        if said[0] != said[1] or tests:
            changes.append(VerdictChange(check, *said, tests))
    return tuple(changes)


def _said(result: CheckResult | None) -> str | None:
    if result is None:
        return None
    counted = result.passed_count or result.failed_count
    counts = f", {result.passed_count} passed, {result.failed_count} failed" if counted else ""
    return f"{result.verdict.value}{counts}"


def _tests(old: CheckResult | None, new: CheckResult | None) -> tuple[TestChange, ...]:
    """Of both, the tests with other outcomes; reports list all that did not pass, and few that did."""
    if old is None or new is None:
        return ()
    before = {test.id: test.outcome for test in old.tests}
    after = {test.id: test.outcome for test in new.tests}
    changes = []
    for test in sorted(before.keys() | after.keys()):
        one, other = before.get(test), after.get(test)
        if one != other and not {one, other} <= {None, "passed"}:
            changes.append(TestChange(test, one, other))
    return tuple(changes)
