"""Programs of the subject, started at the judge's word by the subject's user."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from .frames import Frame

STREAM_BYTES = 2**20
"""Kept of each stream of a program; one that writes more has failed its test."""
_DYING_SECONDS = 2.0
_POLL_SECONDS = 0.005
_INTERPRETER = ("/usr/bin/python3", "-B")


class ProgramFault(RuntimeError):
    """What was asked for could not be done; the text says why."""


@dataclass(slots=True)
class _Started:
    process: subprocess.Popen[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]


class Programs:
    """Starts programs in the subject's folder and tells how they went."""

    def __init__(self, folder: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._started: dict[int, _Started] = {}

    def carried_out(self, request: Frame) -> object:
        """The answer to one request.

        Raises:
            ProgramFault: it could not be done.
        """
        try:
            match request:
                case {"do": "run", "argv": argv, "stdin": stdin, "seconds": seconds}:
                    return self._run(argv, base64.b64decode(stdin), float(seconds))
                case {"do": "start", "argv": argv}:
                    return self._start(argv, None)
                case {"do": "state", "pid": pid}:
                    return self._state(pid)
                case {"do": "stop", "pid": pid}:
                    return self._stop(pid)
                case {"do": "stop all"}:
                    return [self._stop(pid) for pid in list(self._started)]
                case {"do": "write", "path": path, "content": content}:
                    return self._write(path, base64.b64decode(content))
                case {"do": "read", "path": path}:
                    return self._read(path)
                case _:
                    raise ProgramFault("the judge asked for what nobody knows")
        except (OSError, ValueError) as error:
            raise ProgramFault(f"{type(error).__name__}: {error}") from error

    def _run(self, argv: list[str], stdin: bytes, seconds: float) -> tuple[Any, ...]:
        with _unnamed_file() as given:
            given.write(stdin)
            given.seek(0)
            pid = self._start(argv, given)
            try:
                self._started[pid].process.wait(seconds)
            except subprocess.TimeoutExpired:
                return (True, *self._stop(pid))
        return (False, *self._stop(pid))

    def _start(self, argv: list[str], stdin: IO[bytes] | None) -> int:
        if not argv:
            raise ProgramFault("a program needs a name")
        command = (*_INTERPRETER, *argv) if argv[0].endswith(".py") or argv[0] == "-m" else tuple(argv)
        # Files, not pipes: a program that floods its output neither blocks nor fills this process.
        stdout, stderr = _unnamed_file(), _unnamed_file()
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=dict(self._environment),
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        self._started[process.pid] = _Started(process, stdout, stderr)
        return process.pid

    def _state(self, pid: int) -> tuple[Any, ...]:
        started = self._running(pid)
        return (started.process.poll(), _capped(started.stdout), _capped(started.stderr))

    def _stop(self, pid: int) -> tuple[Any, ...]:
        """Kill it with its session; exit code as it was or -9, stdout, stderr.

        After the last program nobody is left: one that had made itself a session of its own could answer for
        the next one, from a memory that the suite believes to be gone.
        """
        started = self._running(pid)
        del self._started[pid]
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        if not self._started:
            _kill_all_others()
        code = started.process.wait()
        with started.stdout, started.stderr:
            return (code, _capped(started.stdout), _capped(started.stderr))

    def _running(self, pid: int) -> _Started:
        if pid not in self._started:
            raise ProgramFault("that program was stopped with the test that started it")
        return self._started[pid]

    def _write(self, path: str, content: bytes) -> str:
        place = os.path.join(self._folder, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(content)
        return place

    def _read(self, path: str) -> bytes:
        with open(os.path.join(self._folder, path), "rb") as file:
            return _capped(file)


def _kill_all_others() -> None:
    # -1: everybody whom this user may signal, except for this process. Nobody escapes by a fork meanwhile.
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    # A dying server still listens.
    deadline = time.monotonic() + _DYING_SECONDS
    while time.monotonic() < deadline and any(map(_is_another, os.listdir("/proc"))):
        time.sleep(_POLL_SECONDS)


def _is_another(name: str) -> bool:
    """Whether it is a process of this user, another one than this, and not yet dead."""
    if not name.isdigit() or int(name) == os.getpid():
        return False
    try:
        with open(f"/proc/{name}/status", encoding="utf-8", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return False
    return fields["Uid"].split()[0] == str(os.getuid()) and fields["State"].split()[0] != "Z"


def _unnamed_file() -> IO[bytes]:
    return os.fdopen(os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR, 0o600), "w+b")


def _capped(stream: IO[bytes]) -> bytes:
    # By position: a running program shares the file's own offset.
    content = os.pread(stream.fileno(), STREAM_BYTES + 1, 0)
    if len(content) > STREAM_BYTES:
        raise ProgramFault(f"more than {STREAM_BYTES} bytes were written")
    return content
