"""Best of n: several replies to the same words, judged side by side, and the best one taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

from lmac.briefing import Briefing
from lmac.conversation import Conversation
from lmac.evaluation import Report, Verdict
from lmac.evaluation.due import Due
from lmac.evaluation.ranking import STANDING, rank
from lmac.file_store.draft import DraftStore
from lmac.journal import Journal
from lmac.messages import Reply, Sampling
from lmac.processor.actions import Parsed
from lmac.program import is_test_file
from lmac.tools import Toolbox, Workspace
from lmac_sandbox import Overlay, StoreError

WRITING = frozenset({"write", "edit", "patch", "delete"})
"""Actions that change files and nothing else; whatever else a reply asks for waits until it was chosen."""
SEED_STRIDE = 1000
"""Between the seeds of candidates: attempts at an instruction count up by one."""

Judge = Callable[[Sequence[Overlay]], tuple[Report, ...]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reply with the changes that it would make."""

    reply: Reply
    parsed: Parsed
    overlay: Overlay


@dataclass(frozen=True, slots=True)
class Choice:
    """Which candidate is taken, and what spoke for it."""

    index: int
    scores: tuple[int, ...]
    """By agreement; zeros when something better decided."""


def samplings(sampling: Sampling, count: int, temperature: float) -> tuple[Sampling, ...]:
    """Of the candidates after the first: warmer, each with a seed of its own."""
    return tuple(
        replace(
            sampling,
            temperature=max(temperature, sampling.temperature),
            seed=None if sampling.seed is None else (sampling.seed + SEED_STRIDE * number) % 2**31,
        )
        for number in range(1, count)
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """Samples candidates in a conversation and has them judged."""

    briefing: Briefing
    conversation: Conversation
    workspace: Workspace
    journal: Journal

    def candidate(self, reply: Reply, toolbox: Toolbox) -> Candidate:
        """What the reply's own writes would make of the store, up to the first that fails."""
        parsed = self.briefing.protocol.parse(reply, toolbox.forms())
        draft = DraftStore(self.workspace.store)
        drafting = replace(self.workspace, store=draft)
        for action in parsed.actions:
            if action.name in WRITING:
                result = toolbox.carry_out(action, drafting)
                if not result.ok and result.stops:
                    break
        return Candidate(reply, parsed, draft.overlay)

    def best_of(
        self, first: Candidate, toolbox: Toolbox, sampling: Sampling, due: Due
    ) -> tuple[Candidate, Report]:
        """The first one if it is green; else the best of as many as the setting wants and the budget allows.

        The conversation goes on with the reply that was taken.

        Args:
            sampling: Of the first one.
            due: What has to be there already.
        """

        def judge(overlays: Sequence[Overlay]) -> tuple[Report, ...]:
            store_digest = self.workspace.store.digest()
            return self.workspace.evaluator.evaluate_candidates(store_digest, overlays, due=due)

        setting = self.briefing.setting
        found, reports = [first], list(judge([first.overlay]))
        for wanted in samplings(sampling, setting.candidates, setting.candidate_temperature):
            # One after the other: a verdict costs little beside a call that need not be made.
            if reports[-1].green:
                break
            hint = ""
            if setting.candidate_hints:
                # Whoever is told what was wrong repairs it by writing anew: nothing has to be left for more.
                hint = self.briefing.hint(min(reports, key=rank))
            elif not self.conversation.affords_another_sample:
                # The best of many is worth little if nothing is left to repair it with.
                break
            if (reply := self.conversation.sample(wanted, hint)) is None:
                break
            found.append(self.candidate(reply, toolbox))
            reports += judge([found[-1].overlay])
        choice = choose(found, reports, judge)
        self.journal.append(
            "candidates",
            chosen=choice.index,
            digests=[report.store_digest for report in reports],
            green=[report.green for report in reports],
            ranks=[list(rank(report)) for report in reports],
            scores=list(choice.scores),
        )
        self.conversation.take(found[choice.index].reply)
        return found[choice.index], reports[choice.index]


def choose(candidates: Sequence[Candidate], reports: Sequence[Report], judge: Judge) -> Choice:
    """The best candidate: a green one; else by the user's own suites; of those that they hold for equally
    good, the one that most agree with; else the best by its report.

    Tests that a small model writes are often wrong, and the same mistake is rarely made twice. So each
    candidate's code is judged by the tests of all of them in one session, and its score is the number of
    candidates that pass just the same tests times the number of these tests.
    Source: CodeT (Chen et al., 2022), section 3.2 (dual execution agreement).
    """
    ranks = [rank(report) for report in reports]
    scores = [0] * len(candidates)
    standing = _standing_failures(reports)
    decided = any(report.green for report in reports) or standing.count(min(standing)) == 1
    crossed = [] if decided else crossed_overlays(candidates, reports)
    if crossed:
        # Together the tests of all may be more than the store takes; then each one's own report decides.
        with suppress(StoreError):
            scores = agreement(judge(crossed))
    best = min(
        range(len(candidates)), key=lambda n: (not reports[n].green, standing[n], -scores[n], ranks[n], n)
    )
    return Choice(best, tuple(scores))


def _standing_failures(reports: Sequence[Report]) -> list[float]:
    """Of the user's own suites; a candidate that never came to them fails them all."""
    asked = [any(result.check in STANDING for result in report.results) for report in reports]
    return [
        rank(report).standing_failures if was_asked or not any(asked) else inf
        for report, was_asked in zip(reports, asked, strict=True)
    ]


def crossed_overlays(candidates: Sequence[Candidate], reports: Sequence[Report]) -> list[Overlay]:
    """Each candidate's code with the tests of all; empty when fewer than two have tests that ran.

    Tests of a session that did not come to its end are left out: they would end every other one too.
    """
    tests: dict[str, bytes] = {}
    with_tests = 0
    for number, (one, report) in enumerate(zip(candidates, reports, strict=True), start=1):
        own = {path: content for path, content in one.overlay.items() if content and is_test_file(path)}
        if own and _ran_tests(report):
            with_tests += 1
            tests |= {set_apart(path, number): content for path, content in own.items()}
    if with_tests < 2:
        return []
    return [
        {path: content for path, content in one.overlay.items() if not is_test_file(path)} | tests
        for one in candidates
    ]


def agreement(reports: Sequence[Report]) -> list[int]:
    """For each: how many passed just the same tests, itself included, times how many tests that are."""
    outcomes = [_outcome(report) for report in reports]
    return [outcomes.count(outcome) * outcome[0] for outcome in outcomes]


def set_apart(path: str, number: int) -> str:
    """The path of a candidate's test file beside those of the others; still a test file's name."""
    folder, slash, name = path.rpartition("/")
    stem, _, suffix = name.rpartition(".")
    for tail in ("_test", ".test"):
        if stem.endswith(tail):
            return f"{folder}{slash}{stem.removesuffix(tail)}__{number}{tail}.{suffix}"
    return f"{folder}{slash}{stem}__{number}.{suffix}"


def _ran_tests(report: Report) -> bool:
    return any(
        result.counts_tests
        and result.verdict in (Verdict.PASSED, Verdict.FAILED)
        and any(test.outcome in ("passed", "failed") for test in result.tests)
        for result in report.results
    )


def _outcome(report: Report) -> tuple[int, frozenset[str]]:
    """How many tests passed, and what did not: the same tests, in the same files, were to run everywhere."""
    results = [result for result in report.results if result.counts_tests]
    failing = {test.id for result in results for test in result.tests if test.outcome != "passed"}
    # Files of which this candidate lacks what they import.
    failing |= {
        finding.where
        for result in results
        for finding in result.findings
        if finding.blocking and is_test_file(finding.where.partition(":")[0])
    }
    return sum(result.passed_count for result in results), frozenset(failing)
