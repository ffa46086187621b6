"""Line coverage of test sessions, measured in real boxes by our own configuration alone."""

from __future__ import annotations

import pytest

from lmac.checks import TestCheck
from lmac.evaluation import FileCoverage, Verdict
from lmac_sandbox import Box

pytestmark = pytest.mark.engine

FILES = {
    "m.py": "def f(x):\n    if x:\n        return 1\n    return 2  # pragma: no cover\n",
    "never.py": "def g():\n    return 1\n",
    "broken.py": "def h(:\n",
    "coverage.py": "raise SystemExit(0)\n",
    ".coveragerc": "[run]\nomit = *\n",
    "test_m.py": "import m\n\n\ndef test_f():\n    assert m.f(1) == 1\n",
}


def test_lines_that_no_test_runs_are_told_file_by_file(box: Box) -> None:
    box.place({path: text.encode() for path, text in FILES.items()}, "subject")
    check = TestCheck(measures_coverage=True)
    result = check.judge(box.run(check.job()))

    assert result.verdict is Verdict.PASSED, result.findings
    assert {file.path: file for file in result.coverage} == {
        "coverage.py": FileCoverage("coverage.py", 1, 1, (1,)),
        "m.py": FileCoverage("m.py", 4, 1, (4,)),
        "never.py": FileCoverage("never.py", 2, 2, (1, 2)),
    }
    assert result.covered_percent == 42


def test_nothing_is_measured_unasked(box: Box) -> None:
    box.place({path: text.encode() for path, text in FILES.items()}, "subject")
    result = TestCheck().judge(box.run(TestCheck().job()))

    assert (result.coverage, result.covered_percent) == ((), None)
