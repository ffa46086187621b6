"""The shipped type check: it finds what is wrong, and nothing of the store has a say in that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from check_stage import CheckStage, check_stage
from lmac.config import RunConfig
from lmac.evaluation import CheckResult, Verdict
from lmac.inputs import load_checks
from lmac_sandbox import Box, Engine, Job, Keeper

pytestmark = [pytest.mark.engine, pytest.mark.slow]

WRONG = "def name(number: int) -> str:\n    return number\n"
GOOD = "import pytest\n\n\ndef name(number: int) -> str:\n    return str(number)\n"
SILENT = '[rules]\nall = "ignore"\n\n[src]\nexclude = ["*.py"]\n'
TRAP = "import pathlib\n\npathlib.Path('/scratch/tmp/ran').touch()\n"


@pytest.fixture(scope="module")
def stage(engine: Engine, image_id: str) -> Iterator[CheckStage]:
    plan = load_checks(
        RunConfig.model_validate({"rules": {"types": {"blocking": ["invalid-explicit-return"]}}})
    )
    checks = tuple(check for check in plan.checks if check.name == "types")
    with check_stage(engine, image_id, checks) as made:
        yield made


def found(result: CheckResult) -> list[str]:
    return [finding.where for finding in result.findings if "invalid-explicit-return" in finding.text]


def test_good_types_pass_and_pytest_is_known(stage: CheckStage) -> None:
    result = stage.result(
        {"a.py": GOOD, "src/lib.py": "X = 1\n", "test_a.py": "from lib import X\n"}, "types"
    )

    assert (result.verdict, result.findings) == (Verdict.PASSED, ())


ATTEMPTS: dict[str, dict[str, str]] = {
    "plain": {},
    "ty.toml": {"ty.toml": SILENT},
    "pyproject": {"pyproject.toml": "[tool.ty.rules]\nall = 'ignore'\n\n[tool.ty.src]\nexclude = ['*']\n"},
    "pyproject that is none": {"pyproject.toml": "[[[tool.ty"},
    "ty.toml that is none": {"ty.toml": "= ="},
    "other checkers": {
        "mypy.ini": "[mypy]\nignore_errors = True\n",
        "setup.cfg": "[mypy]\nignore_errors = True\n",
        "pyrefly.toml": 'project-excludes = ["**"]\n',
        "pyrightconfig.json": '{"ignore": ["**"], "typeCheckingMode": "off"}',
    },
    "ignore files": {".gitignore": "*\n", ".ignore": "*\n"},
    "a python of its own": {
        ".venv/pyvenv.cfg": "home = /scratch/subject/bin\nversion = 3.8\n",
        ".venv/bin/python": "#!/bin/sh\ntouch /scratch/tmp/ran\n",
        ".venv/lib/python3.8/site-packages/x.pth": "import os; os.mkdir('/scratch/tmp/ran')\n",
        "conftest.py": TRAP,
        "sitecustomize.py": TRAP,
        "mypy_plugin.py": TRAP,
    },
    "a baseline": {".ty-baseline.json": "{}", "ty-baseline.json": "{}"},
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_configuration_of_the_store_silences_it(stage: CheckStage, name: str) -> None:
    result = stage.result({**ATTEMPTS[name], "a.py": WRONG, "pkg/b.py": WRONG}, "types")

    assert result.verdict is Verdict.FAILED, result
    assert found(result) == ["a.py:2", "pkg/b.py:2"]


def test_no_name_of_a_folder_hides_a_file(stage: CheckStage) -> None:
    folders = (
        "build",
        "dist",
        "venv",
        ".venv",
        "node_modules",
        ".tox",
        ".git-rewrite",
        "a/site-packages",
        "_build",
    )
    files = {f"{folder}/a.py": WRONG for folder in folders}

    assert found(stage.result(files, "types")) == sorted(f"{path}:2" for path in files)


def test_comments_that_ignore_everything_do_not(stage: CheckStage) -> None:
    files = {
        "line.py": WRONG.replace("number\n", "number  # type: ignore\n"),
        "file.py": f"# type: ignore\n{WRONG}",
        "own.py": WRONG.replace("number\n", "number  # ty: ignore\n"),
    }
    result = stage.result(files, "types")

    assert found(result) == ["file.py:3", "line.py:2"]
    # ty's own form works, and is named itself.
    assert any("blanket-ignore-comment" in finding.text for finding in result.findings)


def test_it_loads_no_code_of_the_store(keeper: Keeper, box: Box) -> None:
    files = {**ATTEMPTS["a python of its own"], "a.py": WRONG}
    keeper.write_many({path: text.encode() for path, text in files.items()})
    box.snapshot()
    (check,) = (one for one in load_checks(RunConfig()).checks if one.name == "types")

    assert found(check.judge(box.run(check.job()))) == ["a.py:2"]
    assert box.run(Job(("/usr/bin/ls", "/scratch/tmp"))).stdout.head == b""
