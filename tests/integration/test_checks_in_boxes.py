"""The shipped checks, run for real on files that try to get round them."""

from __future__ import annotations

import pytest

from lmac.checks import Check
from lmac.config import RunConfig
from lmac.evaluation import CheckResult, Verdict
from lmac.inputs import load_checks
from lmac_sandbox import Box, Keeper

pytestmark = pytest.mark.engine

SHIPPED = {check.name: check for check in load_checks(RunConfig()).checks}
UNDEFINED = "def f():\n    return nowhere\n"
FAILING = "def test_it():\n    assert False\n"
PASSING = "def test_it():\n    assert True\n"


def judged(check: Check, keeper: Keeper, box: Box, files: dict[str, str]) -> CheckResult:
    keeper.write_many({path: text.encode() for path, text in files.items()})
    box.snapshot()
    return check.judge(box.run(check.job()))


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": UNDEFINED},
        {"a.py": f"# ruff: noqa\n{UNDEFINED}"},
        {"a.py": UNDEFINED.replace("nowhere", "nowhere  # noqa: F821")},
        {"a.py": UNDEFINED, "ruff.toml": 'exclude = ["a.py"]\n'},
        {"a.py": UNDEFINED, "pyproject.toml": '[tool.ruff.lint]\nignore = ["F821"]\n'},
        {"a.py": UNDEFINED, ".gitignore": "a.py\n"},
        {"build/a.py": UNDEFINED},
        {"venv/a.py": UNDEFINED},
    ],
    ids=["plain", "file noqa", "line noqa", "ruff.toml", "pyproject", "gitignore", "build", "venv"],
)
def test_an_undefined_name_is_found_wherever_it_hides(
    keeper: Keeper, box: Box, files: dict[str, str]
) -> None:
    result = judged(SHIPPED["lint"], keeper, box, files)

    assert result.verdict is Verdict.FAILED
    assert "nowhere" in result.findings[0].text


def test_what_does_not_compile_is_named_with_its_line(keeper: Keeper, box: Box) -> None:
    result = judged(SHIPPED["syntax"], keeper, box, {"a.py": "x = 1\n", "b/c.py": "x = 1\ndef f(:\n"})

    assert result.verdict is Verdict.FAILED
    assert (result.passed_count, result.failed_count) == (1, 1)
    assert result.findings[0].where == "b/c.py:2"


def test_a_store_without_python_files_is_no_pass(keeper: Keeper, box: Box) -> None:
    assert judged(SHIPPED["syntax"], keeper, box, {"a.txt": "x"}).verdict is Verdict.NOTHING_TO_JUDGE


@pytest.mark.parametrize("folder", ["build", "dist", "venv", "node_modules", ".hidden"])
def test_a_failing_test_is_found_in_folders_that_pytest_passes_over(
    keeper: Keeper, box: Box, folder: str
) -> None:
    files = {"test_good.py": PASSING, f"{folder}/test_bad.py": FAILING}

    assert judged(SHIPPED["tests"], keeper, box, files).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\naddopts = --deselect test_bad.py\n"),
        ("tox.ini", "[pytest]\npython_files = good_*.py\n"),
        ("setup.cfg", "[tool:pytest]\ntestpaths = nowhere\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-k good"\n'),
    ],
)
def test_the_stores_own_pytest_configuration_has_no_effect(
    keeper: Keeper, box: Box, name: str, text: str
) -> None:
    files = {"test_good.py": PASSING, "test_bad.py": FAILING, name: text}

    assert judged(SHIPPED["tests"], keeper, box, files).verdict is Verdict.FAILED
