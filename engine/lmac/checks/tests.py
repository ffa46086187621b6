"""The test check: a pytest session over the store's own tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lmac.checks.session import judge_session
from lmac.evaluation import CheckResult, Verdict
from lmac_sandbox import Job, JobResult, Reuse

NO_TESTS = "there are none; write pytest functions named test_... in a file named test_....py"


@dataclass(frozen=True, slots=True)
class TestCheck:
    """Runs every test of the store.

    No tests, a skipped or excused one, or a session without an end: none is a pass.
    """

    __test__ = False
    wall_seconds: float | None = None
    """None: the box's own limit."""
    name: str = "tests"
    gates: bool = False
    reuse: Reuse = Reuse.SINGLE_USE
    measures_coverage: bool = False
    """Costs a call for every line that runs."""
    placeholders_block: bool = True
    """Whether functions that are not written keep the files from being complete."""
    required: bool = True
    """Whether a store without any is unfinished; if not, other checks have to pass."""

    def job(self) -> Job:
        # A file that cannot be imported is one fault; what the other tests say is as true as without it.
        arguments = ("-q", "--tb=short", "--continue-on-collection-errors", ".")
        return Job.pytest(arguments, wall_seconds=self.wall_seconds, measures_coverage=self.measures_coverage)

    def judge(self, result: JobResult) -> CheckResult:
        judged = judge_session(self.name, result, placeholders_block=self.placeholders_block)
        if judged.verdict is not Verdict.NOTHING_TO_JUDGE:
            return judged
        absent = Verdict.NOTHING_TO_JUDGE if self.required else Verdict.NOT_APPLICABLE
        return replace(judged, verdict=absent, awaits=NO_TESTS)
