"""Outlines of many files, each parsed in a process that it may break: whoever breaks it is named."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
from collections.abc import Iterator, Sequence
from typing import NoReturn

from .outlines import Definition, Outline, one_line, outline
from .tree import Tree

FILE_SECONDS = 4
"""Wall-clock time for one file."""
ALL_SECONDS = 20.0
MOST_CRASHES = 12
"""Files that break the parser; what comes after so many is not parsed."""
MEMORY_BYTES = 256 * 2**20
_SPARE_BYTES = 32 * 2**20
PARSED_BYTES = 1024 * 1024
_LINE_BYTES = 2**20
"""Of one file's answer; a longer one is a fault of the file."""
_CGROUP = "/sys/fs/cgroup/memory."

Parsed = Outline | str
"""A string says why there is no outline."""


class Parser:
    """Parses files below the working folder; each answer is kept."""

    def __init__(self) -> None:
        self._known: dict[str, Parsed] = {}
        self._crashes = 0
        self._deadline = time.monotonic() + ALL_SECONDS

    def outlines(self, paths: Sequence[str]) -> Iterator[tuple[str, Parsed]]:
        """One answer a path, in order."""
        waiting = [path for path in paths if path not in self._known]
        while waiting:
            if self._crashes >= MOST_CRASHES:
                self._known |= dict.fromkeys(waiting, "not parsed: too many files break the parser")
                break
            if time.monotonic() >= self._deadline:
                self._known |= dict.fromkeys(waiting, "not parsed: no time was left")
                break
            done = self._parse_some(waiting)
            waiting = waiting[done:]
        for path in paths:
            yield path, self._known[path]

    def _parse_some(self, paths: Sequence[str]) -> int:
        """Parse in one child until it ends; returns how many files were dealt with."""
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reader)
            _work(paths, writer)
        os.close(writer)
        done = 0
        try:
            for line in _lines(reader, self._deadline):
                self._known[paths[done]] = _read(line)
                done += 1
        finally:
            os.close(reader)
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        if done < len(paths) and time.monotonic() < self._deadline:
            self._crashes += 1
            self._known[paths[done]] = f"not parsed: {_cause(status)}"
            done += 1
        return done


def _cause(status: int) -> str:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return f"it takes longer than {FILE_SECONDS} s"
    return "it breaks the parser"


def _lines(reader: int, deadline: float) -> Iterator[bytes]:
    """What the child says, line by line, until it ends, floods or is out of time."""
    pending = b""
    while (left := deadline - time.monotonic()) > 0 and select.select([reader], [], [], left)[0]:
        chunk = os.read(reader, 2**16)
        if not chunk:
            return
        *whole, pending = (pending + chunk).split(b"\n")
        yield from whole
        if len(pending) > _LINE_BYTES:
            return


def _read(line: bytes) -> Parsed:
    about, definitions = json.loads(line)
    if definitions is None:
        return str(about)
    return Outline(about, [Definition(*fields) for fields in definitions])


def _work(paths: Sequence[str], writer: int) -> NoReturn:
    """The child: one line of JSON a file."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        _cap_memory()
        tree = Tree(".")
        for path in paths:
            signal.alarm(FILE_SECONDS)
            rest = json.dumps(_parse(tree, path)).encode() + b"\n"
            while rest:
                rest = rest[os.write(writer, rest) :]
        signal.alarm(0)
    finally:
        # Also after an error: the parent takes the silence for the answer.
        os._exit(0)


def _parse(tree: Tree, path: str) -> tuple[str, list[Definition] | None]:
    try:
        source = tree.read(path, PARSED_BYTES)
        if len(source) > PARSED_BYTES:
            return "not parsed: it is too large", None
        return tuple(outline(path, source))  # type: ignore[return-value]
    except SyntaxError as error:
        return one_line(f"not parsed: line {error.lineno or 1}: {error.msg}"), None
    except MemoryError:
        return "not parsed: it takes more memory than a parser may have", None
    except RecursionError:
        return "not parsed: it is nested too deeply", None
    except (ValueError, OSError) as error:
        return one_line(f"not parsed: {error}"), None


def _cap_memory() -> None:
    """Below what the box has left: its limit would end other processes too, and be told as the job's."""
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    room = min(MEMORY_BYTES, max(_box_room() - _SPARE_BYTES, _SPARE_BYTES))
    resource.setrlimit(resource.RLIMIT_AS, (now + room, now + room))


def _box_room() -> int:
    try:
        with (
            open(f"{_CGROUP}max", encoding="ascii") as most,
            open(f"{_CGROUP}current", encoding="ascii") as now,
        ):
            return int(most.read()) - int(now.read())
    except (OSError, ValueError):
        # "max", or no such file: outside a box.
        return MEMORY_BYTES + _SPARE_BYTES
