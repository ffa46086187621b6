"""All that is wrong with a batch, collected, so that it is said at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lmac.errors import ConfigError, LmacError
from lmac_sandbox import SandboxError

MOST_SHOWN = 100


class Faults:
    """What was found so far, in order; the same words about the same place once."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, text: str, job: str = "") -> None:
        """Note a fault with its place, and the job in which it was met."""
        jobs = self._found.setdefault(text, [])
        if job and job not in jobs:
            jobs.append(job)

    @contextmanager
    def of(self, place: str, job: str = "") -> Iterator[None]:
        """Note what the block raises, and go on behind it."""
        try:
            yield
        except (LmacError, SandboxError) as error:
            step = f" (next: {error.next_step})" if error.next_step else ""
            self.add(f"{place}: {error.message}{step}", job)

    def demand_none(self) -> None:
        """
        Raises:
            ConfigError: something was found.
        """
        if not self._found:
            return
        lines = [_line(text, jobs) for text, jobs in self._found.items()]
        more = len(lines) - MOST_SHOWN
        lines = lines[:MOST_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        raise ConfigError("\n".join(lines), "nothing was started; correct these, or see configs/batches")


def _line(text: str, jobs: list[str]) -> str:
    return f"{text} (the same in {len(jobs)} jobs)" if len(jobs) > 1 else text
