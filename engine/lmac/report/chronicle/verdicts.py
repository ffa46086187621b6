"""What a check said, as the journal tells it."""

from __future__ import annotations

from lmac.evaluation import Verdict
from lmac.report.chronicle import CheckTold, FindingTold, Light
from lmac.report.chronicle.contents import Contents
from lmac.report.chronicle.told import Told

FINDINGS_KEPT = 40
TESTS_KEPT = 400
_LIGHTS = {
    Verdict.PASSED.value: Light.GREEN,
    Verdict.NOT_APPLICABLE.value: Light.GREY,
    Verdict.NOTHING_TO_JUDGE.value: Light.GREY,
}


def read_check(told: Told, contents: Contents) -> CheckTold:
    """One result of a journal's report; its long lists stand beside the journal."""
    told = Told(dict(told.pairs()) | {name: _list(told, name, contents) for name in ("findings", "tests")})
    verdict = told.text("verdict")
    passed, failed = told.count("passed_count"), told.count("failed_count")
    is_counted = told.flag("counts_tests") and (passed or failed)
    counted = f"{passed} passed, {failed} failed" if is_counted else ""
    said = verdict + (f": {told.text('ending').replace('_', ' ')}" if verdict == "broken off" else "")
    findings = told.inners("findings")
    return CheckTold(
        told.text("check"),
        _LIGHTS.get(verdict, Light.RED),
        f"{said} ({counted})" if counted else said,
        tuple(
            FindingTold(each.text("where"), each.text("text"), each.flag("blocking"))
            for each in sorted(findings, key=lambda each: not each.flag("blocking"))[:FINDINGS_KEPT]
        ),
        told.number("seconds") or 0.0,
        tuple(
            (str(test[0]), str(test[1]), float(test[2]))
            for test in told.raws("tests")[:TESTS_KEPT]
            if isinstance(test, list | tuple)
            and len(test) == 3
            and isinstance(test[2], int | float)
            and isinstance(test[0], str)
        ),
    )


def _list(told: Told, name: str, contents: Contents) -> object:
    digest = told.inner(name).digest("sha256")
    return contents.parsed(digest) if digest else told.raw(name)
