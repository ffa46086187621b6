"""Tests of closed instructions are evidence: nobody takes them away without saying why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from lmac.evaluation import Report


class WeakenedTest(NamedTuple):
    """A test that is not what it was."""

    id: str
    how: str
    """Such as "was deleted"."""


Weakened = Callable[[Report, Report], tuple[WeakenedTest, ...]]
"""Tests that the second report no longer has as the first one had them: gone, skipped or weaker."""


@dataclass(frozen=True, slots=True)
class StandingTests:
    """The report that completed the last instruction, and the tests that were given up with a reason."""

    weakened: Weakened | None = None
    """None: tests are only run."""
    closed_on: Report | None = None
    retired: frozenset[str] = frozenset()

    @property
    def stands(self) -> bool:
        """Whether there are tests that somebody could take away."""
        return self.weakened is not None and self.closed_on is not None

    def closed(self, report: Report | None) -> StandingTests:
        """With the report on which an instruction was completed just now."""
        return replace(self, closed_on=report)

    def retire(self, test: str) -> StandingTests:
        """Without this test, whose reason stands in the journal."""
        return replace(self, retired=self.retired | {test})

    def unjustified(self, report: Report) -> tuple[str, ...]:
        """Tests that are missed in this report, each with how, and nobody said why."""
        if self.weakened is None or self.closed_on is None:
            return ()
        missed = self.weakened(self.closed_on, report)
        return tuple(f"{test.id} {test.how}" for test in missed if not self._is_retired(test.id))

    def _is_retired(self, test: str) -> bool:
        """Whether the test, or the function of which it is one set of parameters, was given up."""
        return test in self.retired or test.partition("[")[0] in self.retired
