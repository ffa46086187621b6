"""The embedded server: a GGUF file behind an OpenAI-compatible API on loopback, in a process of its own."""

from __future__ import annotations

import multiprocessing
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from lmac.errors import ConfigError, ModelUnreachable, WeightsError
from lmac.models.server_process import Ready, Refused, ServerSettings, serve

LOG_LINES_SHOWN = 5
LOG_BYTES_READ = 4096
DEATH_SECONDS = 0.5
"""Between the end of a process's pipe and its exit code."""


def require_installed() -> None:
    """The server is an optional part of LMAC.

    Raises:
        ModelUnreachable: it is not installed.
    """
    if find_spec("xllamacpp") is None:
        step = "run `pip install 'lmac[embedded]'`, or use a model profile of a server"
        raise ModelUnreachable("the embedded model server is not installed", step)


def server_version() -> str:
    """Of the package that serves an embedded model; "" when it is not installed."""
    try:
        return version("xllamacpp")
    except PackageNotFoundError:
        return ""


class EmbeddedServer:
    """Owned by a `with` block; the process ends with it, and with its owner's death.

    A process and not a thread: its memory is apart, and a crash within it is an error here, not an end.

    Args:
        weights: A whole GGUF file.
        context_tokens: Prompt and reply together; the server refuses what is longer.
        log_path: Gets all that the server prints; its folder must exist.
        startup_seconds: From start to the first request accepted. Large weights from a slow disk take long.
    """

    base_url: str
    """Ends in /v1; known within the `with` block."""
    api_key: str
    """Random, so that no other user of this machine can spend the server's time."""
    model: str
    """The name by which the server calls the model."""

    def __init__(
        self,
        weights: Path,
        *,
        model: str,
        context_tokens: int,
        log_path: Path,
        threads: int = 2,
        prompt_cache_bytes: int = 512 * 1024 * 1024,
        startup_seconds: float = 120.0,
    ) -> None:
        self.model = model
        self.api_key = secrets.token_urlsafe(24)
        self._log_path = log_path
        self._startup_seconds = startup_seconds
        self._process: SpawnProcess | None = None
        self._settings = ServerSettings(
            weights=str(weights),
            model=model,
            api_key=self.api_key,
            context_tokens=context_tokens,
            threads=threads,
            prompt_cache_bytes=prompt_cache_bytes,
            log_path=str(log_path),
        )

    def __enter__(self) -> Self:
        """Start, and wait until requests are accepted.

        Raises:
            WeightsError: the server cannot load the weights.
            ModelUnreachable: it is not installed, died, or was not ready in time.
            ConfigError: a script starts it as it is imported.
        """
        require_installed()
        self._process = self._started()
        try:
            self.base_url = self._address_when_ready(self._process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int:
        """Of the process; known within the `with` block."""
        if self._process is None or self._process.pid is None:
            raise ValueError("the embedded server was not started")
        return self._process.pid

    def _started(self) -> SpawnProcess:
        context = multiprocessing.get_context("spawn")
        reports, reports_of_child = context.Pipe(duplex=False)
        owner_of_child, owner = context.Pipe(duplex=False)
        self._reports: Connection = reports
        self._owner: Connection = owner
        process = context.Process(
            target=serve,
            args=(self._settings, owner_of_child, reports_of_child),
            name="lmac-model-server",
            daemon=True,
        )
        with _interrupt_held_back():
            _start(process)
        # Only the child holds these ends now, so that its death, and ours, closes a pipe.
        reports_of_child.close()
        owner_of_child.close()
        return process

    def _address_when_ready(self, process: SpawnProcess) -> str:
        report = self._report()
        match report:
            case Ready(address):
                return f"{address}/v1"
            case Refused(reason):
                said = f"the embedded server cannot load {self._settings.weights} ({reason}){self._log_end()}"
                raise WeightsError(said, f"check that it is a GGUF file; the whole log is {self._log_path}")
            case None:
                raise ModelUnreachable(self._no_report(process), f"the whole log is {self._log_path}")

    def _report(self) -> Ready | Refused | None:
        """None: no report came within `startup_seconds`, or the process died before one."""
        deadline = time.monotonic() + self._startup_seconds
        while (left_seconds := deadline - time.monotonic()) > 0:
            if not wait([self._reports], left_seconds):
                continue
            try:
                report = self._reports.recv()
            except EOFError:
                return None
            return report if isinstance(report, Ready | Refused) else None
        return None

    def _no_report(self, process: SpawnProcess) -> str:
        process.join(DEATH_SECONDS)
        if process.exitcode is None:
            return f"the embedded server was not ready within {self._startup_seconds:g} s{self._log_end()}"
        return f"the embedded server died at its start (exit code {process.exitcode}){self._log_end()}"

    def _log_end(self) -> str:
        """The log's last lines, each on a line of its own."""
        try:
            tail = self._log_path.read_bytes()[-LOG_BYTES_READ:].decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line for line in tail.splitlines() if line.strip()][-LOG_LINES_SHOWN:]
        return "".join(f"\n  {line}" for line in lines)

    def _stop(self) -> None:
        # It has nothing to save, and would finish loading before it heard a kinder word.
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._process = None
        self._owner.close()
        self._reports.close()


def _start(process: SpawnProcess) -> None:
    try:
        process.start()
    except RuntimeError as error:
        # The child imports its starter's script first, and has just come by the same call.
        raise ConfigError(
            "an embedded model cannot be started while a script is imported",
            "begin runs below `if __name__ == '__main__':` in the script",
        ) from error


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """A child started meanwhile never sees Ctrl-C, which goes to every process of the terminal.

    A blocked signal stays blocked across fork and exec, before any code of ours runs there.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
