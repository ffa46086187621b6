"""Tests of closed instructions are evidence: nobody takes them away without saying why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lmac.evaluation import Report

Weakened = Callable[[Report, Report], Mapping[str, str]]
"""By id: tests that the second report no longer has as the first one had them, and what became of each."""


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
        """Tests that are missed in this report, and nobody said why; each with what became of it."""
        if self.weakened is None or self.closed_on is None:
            return ()
        missed = self.weakened(self.closed_on, report)
        return tuple(f"{test} {said}" for test, said in missed.items() if not self._is_retired(test))

    def _is_retired(self, test: str) -> bool:
        """Itself, or the function whose parameters make it."""
        return not self.retired.isdisjoint((test, test.partition("[")[0]))
