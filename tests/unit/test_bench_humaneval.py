"""HumanEval's problems, read as data; what the model is told of them, and what it is not."""

from __future__ import annotations

import ast
import gzip
import zipfile
from pathlib import Path

import pytest

from bench_wheel import CARRIER, MEMBER, SHIFTED, TWICE, write_wheel
from lmac.bench import humaneval
from lmac.bench.humaneval import read_problems
from lmac.checks import AcceptanceForm
from lmac.errors import ConfigError


def test_a_problem_has_its_stub_as_its_task_and_its_tests_as_a_suite(tmp_path: Path) -> None:
    first, second = read_problems(write_wheel(tmp_path, TWICE, SHIFTED), CARRIER)

    assert (first.name, second.name) == ("humaneval-0", "humaneval-1")
    assert TWICE["prompt"].strip() in first.task.text
    assert first.form is AcceptanceForm.IN_PROCESS
    ast.parse(first.acceptance["test_humaneval.py"])


def test_the_task_holds_nothing_of_the_tests_and_of_the_known_solution(tmp_path: Path) -> None:
    for problem in read_problems(write_wheel(tmp_path, TWICE, SHIFTED), CARRIER):
        for hidden in ("check", "candidate", "METADATA", "-14", "assert", "return [2"):
            assert hidden not in problem.task.text


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"no json"), gzip.compress(b'{"task_id": "x"}')]
)
def test_a_wheel_with_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(MEMBER, content)

    with pytest.raises(ConfigError, match="holds no problems in"):
        read_problems(path, CARRIER)


def test_a_wheel_without_the_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("another", b"")

    with pytest.raises(ConfigError, match="holds no problems in"):
        read_problems(path, CARRIER)


def test_problems_that_unpack_to_more_than_any_known_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(humaneval, "MOST_BYTES", 100)

    with pytest.raises(ConfigError, match="more than 100 bytes"):
        read_problems(write_wheel(tmp_path, TWICE), CARRIER)
