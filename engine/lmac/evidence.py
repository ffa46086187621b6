"""Whether tests still are the evidence that they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lmac.evaluation import MOST_PROMISED, CheckResult, Report, Verdict

SKIPPED = frozenset({"skipped", "xfailed"})


def weakened(before: Report, after: Report) -> Mapping[str, str]:
    """Tests that are gone, skipped or expected to fail now, or that state less: by id, what became of each.

    By the reading of the files, so a test that cannot be collected for a while is not among them. A test that
    was moved or renamed is named as deleted: whoever did so can say it. Of a report that is full, only tests
    of files that it tells to their end count as gone.
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
    for test in before.promised:
        if test.id not in now:
            if not is_cut or _file(test.id) in told:
                yield test.id, "was deleted"
        elif now[test.id] < test.assertions:
            yield test.id, f"states less: {now[test.id]} assertions, it had {test.assertions}"
    had = {test.id for test in before.tests if test.outcome in SKIPPED}
    for judged in after.tests:
        if judged.outcome in SKIPPED and judged.id not in had and _is_known(judged.id, before):
            yield judged.id, f"is {judged.outcome} now"


def _file(test: str) -> str:
    return test.partition("::")[0]


def _is_known(identity: str, before: CheckResult) -> bool:
    """Whether it was promised before; parameters of a test are no part of its name there."""
    return any(test.id in (identity, identity.partition("[")[0]) for test in before.promised)
