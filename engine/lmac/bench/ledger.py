"""The results of a bench: one JSON line for each item that came to its end, appended and never changed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lmac.disk import full_disk_named
from lmac.errors import ConfigError

Key = tuple[str, str, int, str, str]
"""Problem, condition, seed, and the digests of what the problem and the condition are made of."""


class BenchResult(BaseModel):
    """What came of one problem under one condition with one seed."""

    model_config = ConfigDict(frozen=True)

    suite: str
    problem: str
    condition: str
    seed: int
    problem_digest: str
    """Of its task and its acceptance tests."""
    config_digest: str
    """Of the condition's run config, prompts and model profile."""
    outcome: str
    """Of the run that was delivered, as `Outcome` names it."""
    passed: bool
    """Every acceptance test, in a session that came to its end."""
    acceptance_passed: int
    acceptance_total: int
    """Tests whose outcome is known; fewer than the suite has when its session was broken off."""
    prompt_tokens: int
    reply_tokens: int
    cached_tokens: int
    calls: int
    runs: int = 1
    """More than one where a condition makes several."""
    seconds: float
    model: str
    temperature: float
    lmac: str
    """The version."""
    run: str
    """The folder's name of the run that was delivered."""
    at: str
    """UTC, ISO 8601."""

    @property
    def key(self) -> Key:
        return (self.problem, self.condition, self.seed, self.problem_digest, self.config_digest)


class Ledger:
    """One file of results. Whoever appends holds it alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def results(self) -> tuple[BenchResult, ...]:
        """All whole lines; a torn last one, what a power cut leaves, is passed over.

        Raises:
            ConfigError: another line is no result.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError(f"results {self.path}: {error.strerror}", "name another file") from error
        lines = text.split(b"\n")[:-1]
        return tuple(self._result(number, line) for number, line in enumerate(lines, start=1))

    def _result(self, number: int, line: bytes) -> BenchResult:
        try:
            return BenchResult.model_validate_json(line)
        except ValidationError as error:
            said = f"{self.path}, line {number}: this is no result of a bench"
            raise ConfigError(said, "remove the line, or name another file") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else appends within the block.

        Raises:
            ConfigError: somebody does, or the file cannot be made.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ConfigError(f"results {self.path}: {error.strerror}", "name another file") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise ConfigError(
                f"{self.path}: another bench writes there", "see `lmac bench status`, or wait for its end"
            ) from error
        finally:
            os.close(file)

    def is_held(self) -> bool:
        """Whether a bench appends just now, in whichever process."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def append(self, result: BenchResult) -> None:
        """Put one line on the disk, behind the last whole one.

        Raises:
            HostDiskFull: there is no room; the line is not there.
        """
        line = result.model_dump_json().encode() + b"\n"
        with full_disk_named(self.path.parent), self.path.open("r+b") as file:
            size_bytes = _whole_bytes(file.read())
            file.truncate(size_bytes)
            file.seek(size_bytes)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def _whole_bytes(text: bytes) -> int:
    return text.rfind(b"\n") + 1
