"""What a box is asked to run, and what comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lmac_sandbox.answers import Answer
from lmac_sandbox.endings import Ending
from lmac_sandbox.errors import WireError
from lmac_sandbox.inside.events import checked_event
from lmac_sandbox.inside.frames import Frame
from lmac_sandbox.inside.judged_form import JudgedForm
from lmac_sandbox.inside.notices import Notice, notice_of
from lmac_sandbox.inside.programs import PROGRAMS
from lmac_sandbox.inside.reading import checked_reading
from lmac_sandbox.inside.users import BoxUsers
from lmac_sandbox.limits import MIB, Limits

WorkingFolder = Literal["subject", "suite"]
"""`subject` is the copy of the store; `suite` holds what was placed there."""
Place = Literal["subject", "suite", "judge"]
"""Where files can be put; `judge` is the folder of a judge's suite, which no job can read."""

USER_MASK = "[uid]"
STDIN_BYTES = 4 * MIB
ARGUMENTS_BYTES = MIB
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Sequences that move the cursor, set titles or colours, and single controls except tab and line feed.
_CONTROLS = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One command, one pytest session by `Job.pytest`, or one of our own programs by `Job.own`.

    Raises:
        ValueError: `argv` is empty or it, the input or the environment is not what a process can be given.
    """

    argv: tuple[str, ...]
    """For a pytest session or one of our own programs: its arguments."""
    wall_seconds: float | None = None
    """None: the box's own limit."""
    stdin: bytes = b""
    working_folder: WorkingFolder = "subject"
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the fixed environment of `policy`."""
    is_session: bool = False
    """Forked from a runner that has pytest imported already, and reported by events."""
    measures_coverage: bool = False
    """Of a session: also which lines of the subject ran, by events of their own."""
    judged_form: JudgedForm | None = None
    """A session of the suite in `judge`, by a user of its own; the subject runs beside it, as the job's."""
    program: str = ""
    """One of `inside.programs.PROGRAMS`, forked from the runner too; "" when `argv` names what runs."""

    def __post_init__(self) -> None:
        if not self.argv and not self.is_session and not self.judged_form and not self.program:
            raise ValueError("a job needs a program")
        if self.program and self.program not in PROGRAMS:
            raise ValueError(f"no program of ours: {self.program!r}; there are {', '.join(PROGRAMS)}")
        if sum(len(argument.encode(errors="replace")) for argument in self.argv) > ARGUMENTS_BYTES:
            raise ValueError(f"the arguments of a job pass {ARGUMENTS_BYTES} bytes")
        if len(self.stdin) > STDIN_BYTES:
            raise ValueError(f"the input of a job passes {STDIN_BYTES} bytes")
        if bad := [name for name in self.environment if not _VARIABLE.fullmatch(name)]:
            raise ValueError(f"no name of an environment variable: {bad[0]!r}")

    @classmethod
    def pytest(
        cls,
        arguments: tuple[str, ...] = (),
        wall_seconds: float | None = None,
        working_folder: WorkingFolder = "subject",
        environment: Mapping[str, str] | None = None,
        measures_coverage: bool = False,
    ) -> Job:
        """A pytest session; configuration files of the store have no effect on it."""
        return cls(
            arguments,
            wall_seconds,
            b"",
            working_folder,
            environment or {},
            is_session=True,
            measures_coverage=measures_coverage,
        )

    @classmethod
    def judged(
        cls, form: JudgedForm, arguments: tuple[str, ...] = (), wall_seconds: float | None = None
    ) -> Job:
        """A pytest session over `judge`, by a user whom the subject can neither read nor signal."""
        return cls(arguments, wall_seconds, judged_form=form)

    @classmethod
    def own(cls, program: str, arguments: tuple[str, ...] = (), wall_seconds: float | None = None) -> Job:
        """One of our own programs, which load no code and no configuration from the store."""
        return cls(arguments, wall_seconds, program=program)


@dataclass(frozen=True, slots=True)
class Output:
    """What is kept of one stream."""

    head: bytes
    tail: bytes
    """b"" when nothing was cut."""
    total_bytes: int

    def text(self) -> str:
        """Decoded, without control sequences; a cut is named where it is."""
        if not self.tail:
            return _decoded(self.head)
        cut_bytes = self.total_bytes - len(self.head) - len(self.tail)
        return f"{_decoded(self.head)}\n[... {cut_bytes} bytes left out ...]\n{_decoded(self.tail)}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the files of a session's working folder promise, read before anything of them was imported."""

    expected_ids: tuple[str, ...] = ()
    """Test functions, without parameters; inherited and generated tests are not among them."""
    assertions: tuple[int, ...] = ()
    """Of each of them: how many of its statements could find something wrong."""
    ids_left_out: int = 0
    """Beyond the cap on ids: what runs cannot be compared with them."""
    notices: tuple[Notice, ...] = ()
    """Without control sequences; faults first."""
    notices_left_out: int = 0


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one job went."""

    ending: Ending
    exit_code: int | None
    """None unless `ending` is EXITED."""
    signal: int | None
    """The signal that ended its own process, ours included."""
    stdout: Output
    stderr: Output
    events: tuple[Mapping[str, Any], ...]
    """Of a pytest session, without control sequences; the kinds stand in `inside.events`."""
    seconds: float
    """From the fork to the end of its own process."""
    leftover_processes: int
    """Processes that it left behind; they were killed."""
    reading: Reading | None = None
    """None of a program, and of a session that ended before it was told."""
    subject_output: Output | None = None
    """Of a judged session: what the subject's process wrote, stdout and stderr as they came."""
    user_ids: tuple[int, ...] = ()
    """Of its box; each box has other ones."""

    def same_for_all_boxes(self, text: str) -> str:
        """The text with the numbers of the box's users masked, so that two boxes' texts can be compared."""
        if not self.user_ids:
            return text
        return re.sub(rf"\b(?:{'|'.join(map(str, self.user_ids))})\b", USER_MASK, text)


def printable_text(text: str) -> str:
    """The text without control sequences and characters that change direction; tabs and line feeds stay."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n"))


def order_of(job: Job, limits: Limits) -> Frame:
    """The runner's fields for a job, without its input."""
    return {
        "argv": list(job.argv),
        "is_session": job.is_session,
        "measures_coverage": job.measures_coverage,
        "judged_form": job.judged_form or "",
        "program": job.program,
        "folder": job.working_folder,
        "environment": dict(job.environment),
        "wall_seconds": wall_seconds(job, limits),
        "output_bytes": limits.output_bytes,
        "kept_bytes": limits.kept_bytes,
        "events_bytes": limits.events_bytes,
    }


def wall_seconds(job: Job, limits: Limits) -> float:
    """The job's own time, or the box's."""
    return limits.wall_seconds if job.wall_seconds is None else job.wall_seconds


def result_of(answer: Answer, limits: Limits, users: BoxUsers) -> JobResult:
    """The result in a runner's answer.

    Args:
        users: Of the box.

    Raises:
        WireError: it is not what a runner sends.
    """
    try:
        ending = Ending(answer.text("ending", 40))
    except ValueError as error:
        raise WireError(f"answer of the runner: {error}") from error
    exit_code = answer.integer_or_none("exit_code", 255)
    if (ending is Ending.EXITED) != (exit_code is not None):
        raise WireError(f"answer of the runner: ending {ending} with exit code {exit_code}")
    return JobResult(
        ending=ending,
        exit_code=exit_code,
        signal=answer.integer_or_none("signal", 64),
        stdout=_output(answer.part("stdout"), limits.kept_bytes),
        stderr=_output(answer.part("stderr"), limits.kept_bytes),
        events=tuple(_event(item) for item in answer.items("events")),
        seconds=answer.seconds("seconds"),
        leftover_processes=answer.integer("leftover_processes"),
        reading=_reading(answer.value("reading")),
        subject_output=_output(answer.part("subject"), limits.kept_bytes),
        user_ids=(users.job, users.judge),
    )


def _output(part: Answer, kept_bytes: int) -> Output:
    return Output(
        part.content("head", kept_bytes), part.content("tail", kept_bytes), part.integer("total_bytes")
    )


def _event(item: object) -> Mapping[str, Any]:
    event = checked_event(item)
    if event is None:
        raise WireError("answer of the runner: an event of no known kind")
    return {key: _printable_value(value) for key, value in event.items()}


def _reading(value: object) -> Reading | None:
    if value is None:
        return None
    frame = checked_reading(value)
    if frame is None:
        raise WireError("answer of the runner: the reading has not the form of one")
    notices = (notice for item in frame["notices"] if (notice := notice_of(item)))
    return Reading(
        expected_ids=tuple(map(printable_text, frame["expected_ids"])),
        assertions=tuple(frame["assertions"]),
        ids_left_out=frame["ids_left_out"],
        notices=tuple(
            Notice(notice.kind, printable_text(notice.path), notice.line, printable_text(notice.text))
            for notice in notices
        ),
        notices_left_out=frame["notices_left_out"],
    )


def _printable_value(value: Any) -> Any:
    """The value of a checked event's field: text, a number, or a list of either."""
    match value:
        case str():
            return printable_text(value)
        case list():
            return [_printable_value(item) for item in value]
        case _:
            return value


def _decoded(raw: bytes) -> str:
    return printable_text(raw.decode("utf-8", "replace"))
