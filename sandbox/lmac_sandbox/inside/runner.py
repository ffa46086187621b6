"""PID 1 of a box: answers the host's frames, one at a time, and ends when the host is gone."""

from __future__ import annotations

import base64
import gc
import os
import select
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from .clearing import Room
from .copying import (
    CopyFailed,
    Overlay,
    as_user,
    claim_scratch,
    copy_store,
    make_folders,
    make_judge_folders,
    place_files,
    renew_copy,
)
from .counters import NoCounters, read_counters
from .frames import PROTOCOL, Decoder, Frame, FrameError, encode
from .jobs import Order, OwnerGone, run_job
from .places import JUDGE_SUITE, WITHOUT_SESSIONS, WORKING_FOLDERS
from .processes import Unkillable, wake_on_children
from .programs import PROGRAMS, load_programs
from .pytest_job import prepare
from .spawn import Caps, set_dumpable
from .users import BoxUsers

_CHUNK_BYTES = 2**20
_DONE = object()


@dataclass(frozen=True, slots=True)
class _Box:
    """What stays the same from request to request."""

    users: BoxUsers
    frames_in: int
    frames_out: int
    wake: int
    room: Room


def main() -> None:
    """Prepare, say hello, answer until the host closes its end."""
    set_dumpable(False)
    frames_in, frames_out = os.dup(0), os.dup(1)
    # Whatever an import prints must not land between frames.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        read_counters()
    except NoCounters as error:
        sys.exit(f"runner: {error}")
    users = BoxUsers.told_by(sys.argv)
    os.setgroups([])
    os.umask(0o022)
    claim_scratch(users)
    wake = wake_on_children()
    as_user(users.job, make_folders)
    as_user(users.judge, make_judge_folders)
    room = Room.now()
    preparations = load_programs() if WITHOUT_SESSIONS in sys.argv else prepare()
    gc.freeze()
    _send(frames_out, {"hello": "runner", "protocol": PROTOCOL})
    _serve(_Box(users, frames_in, frames_out, wake, room), preparations)


def _serve(box: _Box, preparations: Iterator[None]) -> None:
    decoder = Decoder()
    while chunk := _next_chunk(box.frames_in, preparations):
        try:
            for request in decoder.feed(chunk):
                _send(box.frames_out, {"id": request["id"], **_answer(request, box)})
        except (FrameError, OwnerGone, Unkillable) as error:
            _give_up(error)


def _next_chunk(frames_in: int, preparations: Iterator[None]) -> bytes:
    """What the host sends next; until then the time is used."""
    while not select.select([frames_in], [], [], 0)[0] and next(preparations, _DONE) is not _DONE:
        # What is there now is shared with every fork; the collector must not touch it there.
        gc.freeze()
    return os.read(frames_in, _CHUNK_BYTES)


def _answer(request: Frame, box: _Box) -> Frame:
    """The result of one request, or `error` when the box could not do it."""
    try:
        match request["op"]:
            case "snapshot":
                file_bytes, overlay = _caps(request).file_bytes, _overlay(request)
                return as_user(box.users.job, lambda: copy_store(file_bytes, overlay))
            case "renew":
                file_bytes, overlay = _caps(request).file_bytes, _overlay(request)
                return as_user(box.users.job, lambda: renew_copy(box.room, file_bytes, overlay))
            case "place":
                into = str(request["into"])
                files = {path: base64.b64decode(content) for path, content in request["files"].items()}
                folder, uid = _place(into, box.users)
                return as_user(uid, lambda: place_files(files, folder, _caps(request).file_bytes))
            case "run":
                return run_job(_order(request), box.users, box.frames_in, box.wake)
            case unknown:
                return {"error": f"no operation {unknown!r}"}
    except CopyFailed as error:
        return {"error": str(error)}


def _place(name: str, users: BoxUsers) -> tuple[str, int]:
    """The folder of that name, and the user to whom it belongs."""
    return (JUDGE_SUITE, users.judge) if name == "judge" else (WORKING_FOLDERS[name], users.job)


def _overlay(request: Frame) -> Overlay | None:
    laid = request.get("overlay")
    if laid is None:
        return None
    files = {path: base64.b64decode(content) for path, content in laid["files"].items()}
    return Overlay(files, laid["deleted"])


def _order(request: Frame) -> Order:
    folder = str(request["folder"])
    if folder not in WORKING_FOLDERS:
        raise FrameError(f"no working folder {folder!r}")
    program = str(request["program"])
    if program and program not in PROGRAMS:
        raise FrameError(f"no program {program!r}")
    return Order(
        argv=tuple(request["argv"]),
        is_session=bool(request["is_session"]),
        measures_coverage=bool(request["measures_coverage"]),
        judged_form=str(request["judged_form"]),
        program=program,
        stdin=base64.b64decode(request["stdin"]),
        folder=folder,
        environment=request["environment"],
        wall_seconds=float(request["wall_seconds"]),
        output_bytes=int(request["output_bytes"]),
        kept_bytes=int(request["kept_bytes"]),
        events_bytes=int(request["events_bytes"]),
        caps=_caps(request),
    )


def _caps(request: Frame) -> Caps:
    return Caps(file_bytes=int(request["file_bytes"]), open_files=int(request["open_files"]))


def _send(descriptor: int, frame: Frame) -> None:
    rest = memoryview(encode(frame))
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _give_up(error: Exception) -> NoReturn:
    """PID 1 ends, and the kernel ends every other process of the container with it."""
    print(f"runner: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(1)
