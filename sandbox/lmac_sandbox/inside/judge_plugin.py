"""What the judge's session has beside pytest: the fixture `subject`, and faults that no test survives."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from .subject_client import SubjectBroken, SubjectClient
from .subject_imports import shadowing

_POLL_SECONDS = 0.02

Watched = Generator[None, Any, Any]
"""A hook around others."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program of the subject went."""

    exit_code: int
    """Below zero: the signal that ended it."""
    stdout: str
    stderr: str


class Running:
    """A program of the subject that was started and not waited for."""

    def __init__(self, client: SubjectClient, pid: int) -> None:
        self._client = client
        self._pid = pid
        self._stopped: Finished | None = None

    @property
    def output(self) -> str:
        """What it has written to stdout and stderr so far, in this order."""
        if self._stopped is not None:
            return self._stopped.stdout + self._stopped.stderr
        _, stdout, stderr = _state(self._client, "state", self._pid)
        return stdout + stderr

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        if self._stopped is not None:
            return self._stopped.exit_code
        return _state(self._client, "state", self._pid)[0]

    def wait_for_port(self, port: int, seconds: float = 10.0) -> None:
        """Return when something listens on the box's own address at that port.

        Raises:
            TimeoutError: nothing does by then, or the program has ended.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.exit_code is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
            except OSError:
                time.sleep(_POLL_SECONDS)
            else:
                return
        raise TimeoutError(f"nothing listens on port {port}; the program wrote: {self.output[-2000:]}")

    def stop(self) -> Finished:
        """Kill it with all that it started in its session; once, what it said then stays."""
        if self._stopped is None:
            code, stdout, stderr = _state(self._client, "stop", self._pid)
            self._stopped = Finished(-9 if code is None else code, stdout, stderr)
        return self._stopped


class Subject:
    """Programs and files of the subject, driven from outside; the fixture `subject`."""

    def __init__(self, client: SubjectClient) -> None:
        self._client = client

    def run(self, *argv: str, stdin: str | bytes = b"", seconds: float = 10.0) -> Finished:
        """Run a program to its end, in the subject's folder: `run("main.py", "--help")` takes Python.

        Raises:
            TimeoutError: it ran longer; it was killed.
        """
        given = base64.b64encode(_bytes(stdin)).decode("ascii")
        answer = self._client.ask("program", do="run", argv=list(argv), stdin=given, seconds=seconds)
        if not (type(answer) is tuple and len(answer) == 4 and type(answer[0]) is bool):
            raise self._client.fault("a program ended in no known way", dead=True)
        code, stdout, stderr = _checked(self._client, answer[1:])
        if answer[0] or code is None:
            raise TimeoutError(
                f"{argv[0]} ran longer than {seconds} s; it wrote: {(stdout + stderr)[-2000:]}"
            )
        return Finished(code, stdout, stderr)

    def start(self, *argv: str) -> Running:
        """Start a program, a server for example; it is killed when the test ends."""
        pid = self._client.ask("program", do="start", argv=list(argv))
        if type(pid) is not int:
            raise self._client.fault("a program was started without a number", dead=True)
        return Running(self._client, pid)

    def write(self, path: str, content: str | bytes) -> str:
        """Put a file into the subject's folder; returns its absolute path."""
        encoded = base64.b64encode(_bytes(content)).decode("ascii")
        return str(self._client.ask("program", do="write", path=path, content=encoded))

    def read(self, path: str) -> bytes:
        """A file of the subject's."""
        content = self._client.ask("program", do="read", path=path)
        if type(content) is not bytes:
            raise self._client.fault("a file has no bytes", dead=True)
        return content

    def held(self, value: Any) -> Any:
        """A list, dict or set that lives with the subject: what it does to it shows."""
        return self._client.ask("hold", value=self._client.codec.encode(value))


class JudgePlugin:
    """Fails the test that ran when the subject did what no test may survive; once it is dead, all others."""

    def __init__(self, client: SubjectClient, modules: Sequence[str]) -> None:
        self._client = client
        self._shadowing = shadowing(modules)

    @pytest.fixture
    def subject(self) -> Iterator[Subject]:
        yield Subject(self._client)
        self._client.ask("program", do="stop all")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Watched:
        self._raise_faults()
        return (yield from self._watched())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Watched:
        return (yield from self._watched())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Watched:
        return (yield from self._watched())

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Watched:
        report: Any = yield
        if report.failed and self._shadowing:
            report.longrepr = f"{report.longreprtext}\n{self._hint()}"
        return report

    def _watched(self) -> Watched:
        try:
            result = yield
        except SubjectBroken:
            self._forget_faults()
            raise
        except BaseException as error:
            if self._shadowing and isinstance(error, ImportError | AttributeError):
                error.add_note(self._hint())
            self._raise_faults()
            raise
        self._raise_faults()
        return result

    def _raise_faults(self) -> None:
        if not self._client.faults:
            return
        reason = self._client.faults[0]
        self._forget_faults()
        raise SubjectBroken(reason)

    def _forget_faults(self) -> None:
        """They are told; of a dead subject every later test is told the first one."""
        self._client.faults[:] = self._client.faults[:1] if self._client.is_dead else []

    def _hint(self) -> str:
        names = ", ".join(self._shadowing[:10])
        return (
            f"(the subject's {names} has the name of a module of the standard library, which the suite gets)"
        )


def _state(client: SubjectClient, do: str, pid: int) -> tuple[int | None, str, str]:
    return _checked(client, client.ask("program", do=do, pid=pid))


def _checked(client: SubjectClient, answer: object) -> tuple[int | None, str, str]:
    match answer:
        case (int() | None as code, bytes() as stdout, bytes() as stderr):
            return code, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")
    raise client.fault("a program is in no known state", dead=True)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
