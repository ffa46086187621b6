"""Whether tests still are the evidence that they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lmac.evaluation import CheckResult, PromisedTest, Report
from lmac.standing_tests import WeakenedTest

SKIPPED = frozenset({"skipped", "xfailed"})


def weakened(before: Report, after: Report) -> tuple[WeakenedTest, ...]:
    """Tests that are gone, skipped or expected to fail now, or that state less; each with how.

    By the reading of the files, so a test that cannot be collected for a while is not among them. A test that
    stands in another file under its old name, and states no less, was moved; one under another name counts as
    deleted: whoever renamed it can say so.
    """
    return tuple(
        test
        for result in before.results
        if (now := after.result(result.check)) is not None
        for test in _weakened(result, now)
    )


def _weakened(before: CheckResult, after: CheckResult) -> Iterator[WeakenedTest]:
    if not after.promised and not after.tests and after.findings:
        # Nothing could be read: that is a fault of its own, and says nothing of the tests.
        return
    now = {test.id: test.assertions for test in after.promised}
    moved = _moved(before.promised, after.promised)
    for test in before.promised:
        if test.id not in now and test.id not in moved:
            yield WeakenedTest(test.id, "was deleted")
        elif now.get(test.id, test.assertions) < test.assertions:
            yield WeakenedTest(test.id, f"states less: {now[test.id]} assertions, it had {test.assertions}")
    had = {test.id for test in before.tests if test.outcome in SKIPPED}
    known = {test.id for test in before.promised} | set(moved.values())
    for judged in after.tests:
        if judged.outcome in SKIPPED and judged.id not in had and _is_known(judged.id, known):
            yield WeakenedTest(judged.id, f"is {judged.outcome} now")


def _moved(before: Sequence[PromisedTest], after: Sequence[PromisedTest]) -> dict[str, str]:
    """New ids of tests that stand in another file now, by their old ones."""
    had, has = {test.id for test in before}, {test.id for test in after}
    arrived: dict[str, list[PromisedTest]] = {}
    for test in after:
        if test.id not in had:
            arrived.setdefault(_name(test.id), []).append(test)
    moved = {}
    for test in before:
        found = arrived.get(_name(test.id), []) if test.id not in has else []
        as_strong = next((one for one in found if one.assertions >= test.assertions), None)
        if as_strong is not None:
            # One test takes the place of one.
            found.remove(as_strong)
            moved[test.id] = as_strong.id
    return moved


def _name(identity: str) -> str:
    """Without the file."""
    return identity.partition("::")[2]


def _is_known(identity: str, known: set[str]) -> bool:
    """Whether it was promised before; parameters of a test are no part of its name there."""
    return identity in known or identity.partition("[")[0] in known
