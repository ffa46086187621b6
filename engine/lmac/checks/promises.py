"""What the files of a session promise, against what it told: missing tests, further tests, notices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from lmac.evaluation import Finding
from lmac_sandbox import Ending, JobResult, NoticeKind, Reading

SHOWN_IDS = 10


def never_run(events: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    """Collected tests without an outcome: a hook of the store can swallow one and still exit with 0."""
    ran = {event["id"] for event in events if event["kind"] in ("test", "collect_error")}
    for event in events:
        if event["kind"] == "collected":
            yield from (Finding(name, "collected and never run") for name in event["ids"] if name not in ran)


def never_seen(reading: Reading, events: Sequence[Mapping[str, Any]]) -> Iterable[Finding]:
    """Promised test functions that the session says nothing of, and a promise too long to compare."""
    if reading.ids_left_out:
        text = f"{reading.ids_left_out} test functions more than are compared one by one: write fewer"
        yield Finding("session", text)
    seen = {_function_of(name) for event in events for name in _ids(event)}
    # A file or class that cannot be collected has its own finding; its tests would only repeat that.
    failed_whole = {event["id"] for event in events if event.get("outcome", "passed") != "passed"}
    failed_whole |= {event["id"] for event in events if event["kind"] == "collect_error"}
    for name in reading.expected_ids:
        if name not in seen and not _is_within(name, failed_whole):
            yield Finding(name, "expected by reading the file, never ran")


def beyond(reading: Reading, events: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    """Inherited, generated and imported tests: counted and named, no fault."""
    expected = set(reading.expected_ids)
    # A file that is skipped whole has its own finding and no function in its id.
    ran = [event["id"] for event in events if event["kind"] == "test" and "::" in event["id"]]
    more = [name for name in ran if _function_of(name) not in expected]
    if more:
        shown = ", ".join(more[:SHOWN_IDS])
        yield Finding("session", f"{len(more)} ids beyond the static reading: {shown}", blocking=False)


def _ids(event: Mapping[str, Any]) -> Sequence[str]:
    """What the event accounts for; a deselected or never run test is named by its own finding."""
    match event["kind"]:
        case "test":
            return (event["id"],)
        case "collected" | "deselected":
            return tuple(event["ids"])
        case _:
            return ()


def _function_of(identity: str) -> str:
    """`path.py::test_x` of `path.py::test_x[a]`."""
    bracket = identity.find("[", identity.find(".py::") + 1)
    return identity if bracket < 0 else identity[:bracket]


def _is_within(identity: str, wholes: set[str]) -> bool:
    """Whether one of its folders, its file or one of its classes is among them, or "" for everything."""
    if "" in wholes:
        return True
    cuts = [place for mark in ("/", "::") for place in _places(identity, mark)]
    return any(identity[:cut] in wholes for cut in cuts)


def _places(text: str, mark: str) -> Iterable[int]:
    place = text.find(mark)
    while place >= 0:
        yield place
        place = text.find(mark, place + 1)


def told_by_reading(result: JobResult, placeholders_block: bool = True) -> Iterable[Finding]:
    """Notices as findings; which kinds block stands in `lmac_sandbox.NoticeKind`'s table."""
    assert result.reading is not None
    uncollected = {event["id"] for event in result.events if event["kind"] == "collect_error"}
    for notice in result.reading.notices:
        where = f"{notice.path}:{notice.line}" if notice.line else notice.path
        match notice.kind:
            case (
                NoticeKind.CHANGES_SESSION
                | NoticeKind.HIDDEN
                | NoticeKind.TESTS_NOTHING
                | NoticeKind.REIMPLEMENTS
                | NoticeKind.HIDES_METHOD
            ):
                blocking = True
            case NoticeKind.PLACEHOLDER:
                blocking = placeholders_block
            case NoticeKind.UNREADABLE:
                # pytest says the same of it, and at more length.
                blocking = notice.path not in uncollected
            case NoticeKind.LEAVES:
                blocking = result.ending is Ending.INCOMPLETE
            case (
                NoticeKind.NO_EFFECT
                | NoticeKind.SHADOWS
                | NoticeKind.SWITCHED_OFF
                | NoticeKind.ASSERTS_NOTHING
                | NoticeKind.DYNAMIC
                | NoticeKind.SUPPRESSION
            ):
                blocking = False
            case _:
                assert_never(notice.kind)
        if blocking or notice.kind is not NoticeKind.LEAVES:
            yield Finding(where, f"{notice.kind.value.replace('_', ' ')}: {notice.text}", blocking)
    if result.reading.notices_left_out:
        text = f"{result.reading.notices_left_out} more remarks of the reading are left out"
        yield Finding("session", text, blocking=False)
