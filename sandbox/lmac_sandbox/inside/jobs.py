"""Supervise one job: its streams, its time, its limits, and what is left of it afterwards."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from . import spawn
from .counters import Counters, is_scratch_full, read_counters
from .dependencies import with_dependencies
from .ending import Ending, Facts, judge
from .events import parse_events
from .frames import Frame
from .judged_form import JudgedForm
from .kept import Kept
from .places import WORKING_FOLDERS
from .processes import Status, purge, reap
from .programs import run_program
from .pytest_job import run_session
from .reading import READING_BYTES, parse_reading
from .users import BoxUsers

_TICK_SECONDS = 0.05
"""How often the disk and the clock are looked at while nothing happens."""
_CHUNK_BYTES = 64 * 2**10
_REASON_BYTES = 4096
_OF_THE_SESSION = frozenset({"events", "reading"})
"""What it tells of itself."""


class OwnerGone(Exception):
    """The host closed the runner's stdin, or spoke while a job was running."""


@dataclass(frozen=True, slots=True)
class Order:
    """A job as the host asked for it."""

    argv: tuple[str, ...]
    """For a test session or one of our programs: its arguments."""
    is_session: bool
    measures_coverage: bool
    judged_form: str
    """Name of a `JudgedForm`: the session is a judge's, beside the subject. "" for any other job."""
    program: str
    """One of `PROGRAMS`; "" when `argv` names what runs."""
    stdin: bytes
    folder: str
    """Key of `WORKING_FOLDERS`."""
    environment: Mapping[str, str]
    wall_seconds: float
    output_bytes: int
    kept_bytes: int
    events_bytes: int
    caps: spawn.Caps


@dataclass(slots=True)
class _Course:
    """What has been seen of a running job."""

    order: Order
    stdout: Kept
    stderr: Kept
    subject: Kept
    """What the subject's process wrote beside a judge."""
    pid: int = 0
    subject_pid: int = 0
    status: Status | None = None
    stopped_for: Ending | None = None
    scratch_was_full: bool = False
    events: bytearray = field(default_factory=bytearray)
    reason: bytearray = field(default_factory=bytearray)
    reading: bytearray = field(default_factory=bytearray)

    def take(self, name: str, chunk: bytes) -> None:
        """The next bytes of one of the pipes; counts against the caps."""
        match name:
            case "stdout":
                self.stdout.feed(chunk)
            case "stderr":
                self.stderr.feed(chunk)
            case "subject":
                self.subject.feed(chunk)
            case "events":
                room = self.order.events_bytes - len(self.events)
                self.events += chunk[:room]
                self._stop_if(len(chunk) > room)
            case "reading":
                self.reading += chunk[: READING_BYTES - len(self.reading)]
            case _:
                self.reason += chunk[: _REASON_BYTES - len(self.reason)]
        written = sum(kept.total_bytes for kept in (self.stdout, self.stderr, self.subject))
        self._stop_if(written > self.order.output_bytes)

    def _stop_if(self, beyond: bool) -> None:
        if beyond and self.stopped_for is None:
            self.stopped_for = Ending.OUTPUT_LIMIT


def run_job(order: Order, users: BoxUsers, owner: int, wake: int) -> Frame:
    """Run one job to its end; when this returns, none of its processes is left.

    Args:
        owner: Descriptor of the host's frames; silent while a job runs.
        wake: Descriptor that becomes readable when a child ends.

    Raises:
        OwnerGone: nobody waits for the result.
        Unkillable: processes are left; the box is broken.
    """
    before = read_counters()
    started = time.monotonic()
    stdout, stderr, subject = (Kept(order.kept_bytes) for _ in range(3))
    course = _Course(order, stdout, stderr, subject)
    with ExitStack() as open_files, selectors.DefaultSelector() as selector:
        pipes = _start(course, users, open_files)
        for name, reader in pipes.items():
            os.set_blocking(reader, False)
            selector.register(reader, selectors.EVENT_READ, name)
        selector.register(wake, selectors.EVENT_READ, "wake")
        selector.register(owner, selectors.EVENT_READ, "owner")
        _follow(course, selector, started + order.wall_seconds)
        seconds = time.monotonic() - started
        # Others may still write; once they are gone too, every pipe has an end.
        left = purge()
        for name, reader in pipes.items():
            _drain(course, name, reader)
    if course.status is None:
        course.status = left.pop(course.pid)
    left.pop(course.subject_pid, None)
    return _result(course, seconds, len(left), read_counters().since(before))


def _start(course: _Course, users: BoxUsers, open_files: ExitStack) -> dict[str, int]:
    """Fork the job; returns the reading ends of its pipes and sockets by name."""
    readers: dict[str, int] = {}
    writers: dict[str, int] = {}
    for name in _pipes(course.order):
        readers[name], writers[name] = _socket_ends() if name in _OF_THE_SESSION else os.pipe()
        open_files.callback(os.close, readers[name])
    stdin = os.memfd_create("stdin")
    rest = memoryview(course.order.stdin)
    while rest:
        rest = rest[os.write(stdin, rest) :]
    os.lseek(stdin, 0, os.SEEK_SET)
    try:
        if course.order.judged_form:
            course.pid, course.subject_pid = _fork_judged(course.order, users, stdin, writers)
        else:
            course.pid = _fork(course.order, users.job, stdin, writers)
    finally:
        for descriptor in (stdin, *writers.values()):
            os.close(descriptor)
    return readers


def _pipes(order: Order) -> tuple[str, ...]:
    """The names of those that a job of its kind writes."""
    if order.judged_form:
        return ("stdout", "stderr", "events", "reading", "subject")
    if order.is_session:
        return ("stdout", "stderr", "events", "reading")
    return ("stdout", "stderr") if order.program else ("stdout", "stderr", "reason")


def _socket_ends() -> tuple[int, int]:
    """One to read from, one to write to.

    Any child of the session's could open a pipe a second time, by way of /proc; a socket cannot be opened.
    """
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


def _fork_judged(order: Order, users: BoxUsers, stdin: int, writers: Mapping[str, int]) -> tuple[int, int]:
    # It needs pytest, which the runner imports when nothing that is printed can do harm.
    from .judge import fork_judged

    environment = {**os.environ, **order.environment}
    form = JudgedForm(order.judged_form)
    return fork_judged(form, users, order.argv, environment, writers, stdin, order.caps)


def _fork(order: Order, uid: int, stdin: int, writers: Mapping[str, int]) -> int:
    folder = WORKING_FOLDERS[order.folder]
    environment = with_dependencies({**os.environ, **order.environment})

    def session() -> int:
        return run_session(
            order.argv, folder, environment, writers["events"], writers["reading"], order.measures_coverage
        )

    def program() -> int:
        return run_program(order.program, order.argv, folder, environment)

    def command() -> int:
        return spawn.execute(order.argv, folder, environment, writers["reason"])

    body = session if order.is_session else program if order.program else command
    own = tuple(writers[name] for name in writers if name not in ("stdout", "stderr"))
    descriptors = spawn.Descriptors(stdin, writers["stdout"], writers["stderr"], own)
    return spawn.fork_as(body, descriptors, order.caps, uid)


def _follow(course: _Course, selector: selectors.BaseSelector, deadline: float) -> None:
    """Read until the job's own process has ended or a limit is reached."""
    while course.status is None and course.stopped_for is None:
        left = deadline - time.monotonic()
        if left <= 0:
            course.stopped_for = Ending.TIMED_OUT
            break
        for key, _ in selector.select(min(left, _TICK_SECONDS)):
            _serve(course, selector, key)
        course.scratch_was_full = course.scratch_was_full or is_scratch_full()
        # Looked at on every round: wake-up bytes of children that ended before may have been read together.
        course.status = reap().get(course.pid)


def _serve(course: _Course, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    if key.data == "owner":
        raise OwnerGone
    chunk = os.read(key.fd, _CHUNK_BYTES)
    if key.data == "wake":
        return
    if chunk:
        course.take(key.data, chunk)
    else:
        selector.unregister(key.fd)


def _drain(course: _Course, name: str, reader: int) -> None:
    """What the pipe still holds; every writer is gone, so it ends.

    A descriptor that was on its way through a socket may live a little longer; nobody writes to it any more.
    """
    with suppress(BlockingIOError):
        while chunk := os.read(reader, _CHUNK_BYTES):
            course.take(name, chunk)


def _result(course: _Course, seconds: float, leftover: int, counted: Counters) -> Frame:
    events, garbled = parse_events(bytes(course.events))
    reports = course.order.is_session or bool(course.order.judged_form)
    reading = parse_reading(bytes(course.reading)) if reports else None
    facts = replace(_facts(course, counted, events, garbled), was_read=reading is not None)
    ending = Ending.REJECTED if course.reason else judge(facts)
    if course.reason:
        course.stderr.feed(bytes(course.reason))
    return {
        "ending": ending.value,
        "exit_code": facts.exit_code if ending is Ending.EXITED else None,
        "signal": facts.signal,
        "stdout": course.stdout.frame(),
        "stderr": course.stderr.frame(),
        "subject": course.subject.frame(),
        "events": events,
        "reading": reading,
        "seconds": seconds,
        "leftover_processes": leftover,
    }


def _facts(course: _Course, counted: Counters, events: list[Frame], garbled: bool) -> Facts:
    code = os.waitstatus_to_exitcode(course.status or 0)
    finished = next((event["exit_code"] for event in events if event["kind"] == "finished"), None)
    return Facts(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        stopped_for=course.stopped_for,
        oom_kills=counted.oom_kills,
        processes_denied=counted.processes_denied,
        scratch_was_full=course.scratch_was_full,
        reports=course.order.is_session or bool(course.order.judged_form),
        report_garbled=garbled,
        reported_exit_code=finished,
    )
