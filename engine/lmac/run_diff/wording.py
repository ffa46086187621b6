"""A difference of two runs in words. All of it is escaped: paths, programs and files are a model's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lmac.printable import printable
from lmac.run_diff.comparing import Figure, FileChange, RunDifference, VerdictChange

VALUE_CHARACTERS = 100
LINES_SHOWN = 400
"""Of one file's diff."""
NOT_THERE = "-"


def render_difference(found: RunDifference, stat: bool = False) -> str:
    """Outcome and costs first, then what differs, in the order in which a run comes about.

    Args:
        stat: Without the lines of files.
    """
    return "\n".join(printable(line) for line in _lines(found, stat))


def _lines(found: RunDifference, stat: bool) -> Iterator[str]:
    yield f"a: {found.a}"
    yield f"b: {found.b}"
    yield from _titled("figures", [_figure(one) for one in found.figures if one.differs])
    yield from _titled("lock", _lock(found))
    yield from _titled("requirements", found.requirements)
    yield from _titled("program", found.program)
    yield from _titled("verdicts", [line for one in found.verdicts for line in _verdict(one)])
    yield from _titled("files", [_file(one) for one in found.files])
    if not stat:
        for change in found.files:
            yield from _shown(change)
    yield ""
    alike = f"{found.files_alike} files are alike"
    yield f"the runs are the same; {alike}" if found.same else f"the runs differ; {alike}"


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in lines)


def _figure(figure: Figure) -> str:
    name = figure.name.replace("_", " ")
    aside = "" if figure.counts else "  (does not count)"
    return f"{name}: {_value(figure.a)} -> {_value(figure.b)}{aside}"


def _lock(found: RunDifference) -> list[str]:
    lines = [f"{name} recorded none" for name in found.without_lock]
    for one in found.lock:
        aside = "" if one.drift == "decides" else "  (only told)"
        lines.append(f"{one.path}: {_value(one.a)} -> {_value(one.b)}{aside}")
    return lines


def _verdict(change: VerdictChange) -> Iterator[str]:
    yield f"{change.check}: {change.a or 'not judged'} -> {change.b or 'not judged'}"
    for test in change.tests:
        yield f"  {test.id}: {test.a or 'not listed'} -> {test.b or 'not listed'}"


def _file(change: FileChange) -> str:
    sizes = f"{_value(change.bytes_a)} -> {_value(change.bytes_b)} bytes"
    lines = f", +{change.lines_added} -{change.lines_removed} lines" if change.diff else ""
    return f"{change.kind.value:<7}  {change.path}  {sizes}{lines}"


def _shown(change: FileChange) -> Iterator[str]:
    yield ""
    yield f"--- {'a/' + change.path if change.bytes_a is not None else 'nothing'}"
    yield f"+++ {'b/' + change.path if change.bytes_b is not None else 'nothing'}"
    yield from change.diff[:LINES_SHOWN]
    if len(change.diff) > LINES_SHOWN:
        yield f"({len(change.diff) - LINES_SHOWN} more lines; --json has them all)"
    if change.unshown:
        yield f"({change.unshown})"


def _value(value: Any) -> str:
    if value is None:
        return NOT_THERE
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}..."
