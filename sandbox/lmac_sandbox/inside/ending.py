"""How a job ended, and the order in which causes are asked for.

what a test session does                                            its ending
os._exit, SystemExit at import, pytest.exit, an error inside pytest incomplete: no finish event was told
a bomb for the parser in a test file                                out of memory, timed out, or signalled
an end before the reading of its files was told                     incomplete
a finish event that is forged, early or beside another exit code    tampered
anything over the events' pipe that is no event                     tampered
a flood of events or output                                         output limit
hooks, deselection, skips, missing tests, patched reports           exited: the check compares with what the
                                                                    files promise and names it; see `notices`
forged files and frames on stdout                                   exited: nothing reads them
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """One member a cause; only EXITED carries an exit code worth reading."""

    EXITED = "exited"
    """It ended by itself and, if it was a test session, told its end."""
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    """The kernel killed at least one of its processes for memory, whatever the others did then."""
    OUTPUT_LIMIT = "output_limit"
    DISK_LIMIT = "disk_limit"
    """It failed, and its scratch was seen full or a file passed the size limit."""
    PROCESS_LIMIT = "process_limit"
    """The kernel refused it at least one process or thread."""
    SIGNALLED = "signalled"
    TAMPERED = "tampered"
    """A test session whose own report contradicts itself or its exit code."""
    INCOMPLETE = "incomplete"
    """A test session that exited without telling what its files promise, or its end."""
    REJECTED = "rejected"
    """It was never started: no such program or folder, or an argument breaks a rule."""
    INFRASTRUCTURE_FAILURE = "infrastructure_failure"
    """The sandbox broke, not the job; the only ending that is tried again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the runner saw of one job."""

    exit_code: int | None
    """None when a signal ended it."""
    signal: int | None
    stopped_for: Ending | None = None
    """The limit for which the runner killed it."""
    oom_kills: int = 0
    processes_denied: int = 0
    scratch_was_full: bool = False
    reports: bool = False
    """A test session, which has to tell its end."""
    report_garbled: bool = False
    was_read: bool = False
    """Whether what its files promise was told, before anything of them was imported."""
    reported_exit_code: int | None = None


def judge(facts: Facts) -> Ending:
    """The ending.

    The kernel's counters come first, since a job that meets them fails in other ways too; then the limits
    that the runner enforces, the disk, the signal, and last what a test session says of itself.
    """
    # Before memory: a fork bomb uses up both, and the processes are its cause.
    if facts.processes_denied:
        return Ending.PROCESS_LIMIT
    if facts.oom_kills:
        return Ending.OUT_OF_MEMORY
    if facts.stopped_for is not None:
        return facts.stopped_for
    if facts.exit_code != 0 and (facts.scratch_was_full or facts.signal == signal.SIGXFSZ):
        return Ending.DISK_LIMIT
    if facts.signal is not None:
        return Ending.SIGNALLED
    return _report_ending(facts) if facts.reports else Ending.EXITED


def _report_ending(facts: Facts) -> Ending:
    if facts.report_garbled:
        return Ending.TAMPERED
    if not facts.was_read or facts.reported_exit_code is None:
        return Ending.INCOMPLETE
    return Ending.EXITED if facts.reported_exit_code == facts.exit_code else Ending.TAMPERED
