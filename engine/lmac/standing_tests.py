"""Tests of closed instructions are evidence: nobody takes them away without saying why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lmac.evaluation import Report

Weakened = Callable[[Report, Report], tuple[str, ...]]
"""Tests that the second report no longer has as the first one had them: each its id, then what is missed."""


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

    def is_justified(self, missed: str) -> bool:
        """Whether somebody said why: what is missed of a test is told after its id, or its parameters."""
        return any(missed == test or missed.startswith((f"{test} ", f"{test}[")) for test in self.retired)

    def unjustified(self, report: Report) -> tuple[str, ...]:
        """Tests that are missed in this report, and nobody said why."""
        if self.weakened is None or self.closed_on is None:
            return ()
        missed = self.weakened(self.closed_on, report)
        return tuple(test for test in missed if not self.is_justified(test))
