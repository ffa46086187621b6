"""Whether tests still are the evidence that they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lmac.evaluation import MOST_PROMISED, CheckResult, PromisedTest, Report, Verdict

SKIPPED = frozenset({"skipped", "xfailed"})


def weakened(before: Report, after: Report) -> Mapping[str, str]:
    """Tests that are gone, skipped or expected to fail now, or that state less: by id, what became of each.

    By the reading of the files, so a test that cannot be collected for a while is not among them. A test that
    stands in another file under its old name, and states no less, was moved; one under another name counts as
    deleted: whoever renamed it can say so. Of a report that is full, only tests of files that it tells to
    their end count as gone.
    """
    return {
        test: said
        for result in before.results
        if (now := after.result(result.check)) is not None
        for test, said in _weakened(result, now)
    }


def _weakened(before: CheckResult, after: CheckResult) -> Iterator[tuple[str, str]]:
    now = {test.id: test.assertions for test in after.promised}
    unread = after.verdict is not Verdict.NOTHING_TO_JUDGE and bool(after.findings)
    if not now and not after.tests and unread:
        # Nothing could be read: that is a fault of its own, and says nothing of the tests.
        return
    is_cut = len(after.promised) >= MOST_PROMISED
    told = {_file(test.id) for test in after.promised} - {_file(test.id) for test in after.promised[-1:]}
    moved = _moved(before.promised, after.promised)
    for test in before.promised:
        if test.id in moved:
            continue
        if test.id not in now:
            if not is_cut or _file(test.id) in told:
                yield test.id, "was deleted"
        elif now[test.id] < test.assertions:
            yield test.id, f"states less: {now[test.id]} assertions, it had {test.assertions}"
    had = {test.id for test in before.tests if test.outcome in SKIPPED}
    known = {test.id for test in before.promised} | set(moved.values())
    for judged in after.tests:
        if judged.outcome in SKIPPED and judged.id not in had and _is_known(judged.id, known):
            yield judged.id, f"is {judged.outcome} now"


def _file(test: str) -> str:
    return test.partition("::")[0]


def _name(test: str) -> str:
    """Without the file."""
    return test.partition("::")[2]


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


def _is_known(identity: str, known: set[str]) -> bool:
    """Whether it was promised before; parameters of a test are no part of its name there."""
    return identity in known or identity.partition("[")[0] in known
