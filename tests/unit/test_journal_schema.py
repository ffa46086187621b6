"""The published schema of the journal: it knows every kind of event, and every journal fits it."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lmac
from crashed_runs import Runs, crashes, left_by, random_order
from json_schema import faults, line_faults
from lmac.evaluation import (
    CheckResult,
    FileCoverage,
    Finding,
    JudgedTest,
    PromisedTest,
    Report,
    Verdict,
    journalled,
    read_check_result,
)
from lmac.journal import JOURNAL_NAME, JOURNAL_VERSION, journal_schema
from lmac.messages import Finish, Role
from lmac.program.registry import InstructionEnd
from lmac.transitions import Outcome
from lmac_sandbox import Ending
from random_machine import random_run

SCHEMA = journal_schema()
ENGINE = Path(lmac.__file__).parent
RANDOM_RUNS = 60


def lines_of(folder: Path) -> list[bytes]:
    return (folder / JOURNAL_NAME).read_bytes().splitlines()


def assert_described(lines: list[bytes]) -> set[str]:
    """The kinds of the lines, each of which fits."""
    for line in lines:
        assert line_faults(line, SCHEMA) == [], line[:300]
    return {json.loads(line)["kind"] for line in lines}


def described_kinds() -> set[str]:
    return {one["properties"]["kind"]["const"] for one in SCHEMA["oneOf"]}


def written_kinds() -> set[str]:
    """First arguments of all calls of a journal's `append` in the engine's code."""
    return {kind for path in ENGINE.rglob("*.py") for kind in _kinds_in(path)}


def _kinds_in(path: Path) -> Iterator[str]:
    module = ".".join(path.relative_to(ENGINE.parent).with_suffix("").parts).removesuffix(".__init__")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="append" | "_append"), args=[kind, *_]):
                if ast.unparse(owner).endswith("journal") or path.parent.name == "journal":
                    yield from _constants(kind, module)


def _constants(node: ast.expr, module: str) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(kind)):
            yield kind
        case ast.IfExp(body=one, orelse=other):
            yield from _constants(one, module)
            yield from _constants(other, module)
        case ast.Name(id=name) if name.isupper():
            yield getattr(importlib.import_module(module), name)


def test_every_kind_that_the_engine_writes_is_described_and_no_other() -> None:
    assert written_kinds() == described_kinds()
    named = {one["properties"]["data"]["$ref"] for one in SCHEMA["oneOf"]}
    assert named == {f"#/$defs/event.{kind}" for kind in described_kinds()}
    assert all(SCHEMA["$defs"][f"event.{kind}"]["description"] for kind in described_kinds())


def test_its_version_is_the_journals() -> None:
    assert SCHEMA["$id"] == f"urn:lmac:journal:{JOURNAL_VERSION}"
    opened = SCHEMA["$defs"]["event.run_opened"]["properties"]
    assert opened["journal_version"]["const"] == JOURNAL_VERSION


@pytest.mark.parametrize(
    ("described", "members"),
    [
        (SCHEMA["$defs"]["outcome"], Outcome),
        (SCHEMA["$defs"]["ending"], Ending),
        (SCHEMA["$defs"]["check_result"]["properties"]["verdict"], Verdict),
        (SCHEMA["$defs"]["message"]["properties"]["role"], Role),
        (SCHEMA["$defs"]["event.reply"]["properties"]["finish"], Finish),
        (SCHEMA["$defs"]["event.instruction_end"]["properties"]["end"], InstructionEnd),
    ],
)
def test_what_has_names_has_the_engines_names(described: dict[str, Any], members: type[Outcome]) -> None:
    assert described["enum"] == [member.value for member in members]


def test_journals_of_random_machines_fit(tmp_path: Path) -> None:
    kinds: set[str] = set()
    for seed in range(RANDOM_RUNS):
        folder = tmp_path / f"machine-{seed}"
        folder.mkdir()
        random_run(seed, folder)
        kinds |= assert_described(lines_of(folder))
    assert len(kinds) > 20


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_journals_of_whole_and_of_resumed_runs_fit(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, whole = Runs(monkeypatch, *random_order(seed)), tmp_path / "whole"
    runs.begin(whole)
    points = list(crashes(whole, random_cuts=0, seed=seed))
    died = left_by(whole, points[len(points) // 2], tmp_path / "died")
    runs.resume(died)

    assert {"run_opened", "exported", "run_closed"} <= assert_described(lines_of(whole))
    assert "resumed" in assert_described(lines_of(died))


Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda line: line.update(kind="unheard"), "'unheard' is not"),
        (lambda line: line.update(more=1), "more is not described"),
        (lambda line: line.pop("pack"), "pack is missing"),
        (lambda line: line.update(chain="0"), "does not match"),
        (lambda line: line["data"].update(seconds="1"), "'1' is no number"),
        (lambda line: line["data"].update(seconds=True), "True is no number"),
        (lambda line: line["data"].pop("usage"), "usage is missing"),
        (lambda line: line["data"].update(finish="over"), "'over' is none of"),
        (lambda line: line["data"].update(more=1), "more is not described"),
    ],
)
def test_what_is_not_described_does_not_fit(
    change: Change, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(monkeypatch, *random_order(5))
    runs.begin(tmp_path / "whole")
    line = next(line for line in map(json.loads, lines_of(tmp_path / "whole")) if line["kind"] == "reply")
    change(line)

    assert any(told in fault for fault in line_faults(json.dumps(line).encode(), SCHEMA))


def test_a_report_whose_lists_are_long_fits_and_is_read_back_whole() -> None:
    ids = [f"tests/test_{number}.py::test_it" for number in range(100)]
    result = CheckResult(
        "tests",
        Verdict.FAILED,
        Ending.EXITED,
        findings=tuple(Finding(test, "it fails: \ud800") for test in ids),
        tests=tuple(JudgedTest(test, "failed", 0.1) for test in ids),
        coverage=tuple(FileCoverage(f"{number}.py", 4, 1, (3,)) for number in range(100)),
        promised=tuple(PromisedTest(test, 2) for test in ids),
    )
    kept: dict[str, bytes] = {}

    def keep(text: str) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()
        kept[digest] = text.encode()
        return digest

    fields: Any = journalled(Report("d", (result,)), keep)
    (told,) = json.loads(json.dumps(fields["results"]))

    assert faults(fields, SCHEMA["$defs"]["report"], SCHEMA) == []
    assert len(json.dumps(told)) < 1000
    assert read_check_result(told, kept.__getitem__) == result
    without = read_check_result(told)
    assert (without.tests, without.findings, without.promised) == ((), (), ())
    assert without.covered_percent == result.covered_percent == 75
