"""What comes back of a box is read as what it may be: cut, hostile, or no answer at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from job_results import job_result
from lmac.evaluator import Evaluator
from lmac.file_store import FileStore
from lmac.store_map import LINE_CHARACTERS, Focus, NotMapped, StoreMap
from lmac_sandbox import Ending, Job, JobResult
from memory_keeper import MemoryKeeper
from program_boxes import ProgramBoxes

WHOLE: dict[str, Any] = {"files": 1, "lines": ["a.py (1 bytes)"], "whole": ["a.py"]}


class ScriptedBoxes(ProgramBoxes):
    """Every job has the given result."""

    def run(self, job: Job) -> JobResult:
        self.jobs.append(job)
        return self._otherwise


def mapped(result: JobResult) -> str:
    keeper = MemoryKeeper()
    evaluator = Evaluator(ScriptedBoxes(keeper, result), ())
    return StoreMap(evaluator, FileStore(keeper)).look(Focus(), 2000).text


def test_an_answer_of_the_right_form_is_told() -> None:
    assert mapped(job_result(json.dumps(WHOLE))) == "a.py (1 bytes)"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "[" * 100_000,
        '{"files": 1}',
        json.dumps(WHOLE | {"files": -1}),
        json.dumps(WHOLE | {"files": "1"}),
        json.dumps(WHOLE | {"files": 1e999}),
        json.dumps(WHOLE | {"lines": ["x" * (LINE_CHARACTERS + 1)]}),
        json.dumps(WHOLE | {"lines": [["x"]]}),
        json.dumps(WHOLE | {"lines": ["x"] * 2001}),
        json.dumps(WHOLE | {"whole": ["x"] * 101}),
        json.dumps(WHOLE | {"more": 1}),
        json.dumps(WHOLE | {"lines": ["x" * 500] * 1200}),
        "\xff",
    ],
)
def test_an_answer_of_another_form_is_none(answer: str) -> None:
    with pytest.raises(NotMapped):
        mapped(job_result(answer))


@pytest.mark.parametrize("ending", [ending for ending in Ending if ending is not Ending.EXITED])
def test_a_job_that_was_broken_off_gave_no_answer(ending: Ending) -> None:
    with pytest.raises(NotMapped):
        mapped(job_result(json.dumps(WHOLE), ending=ending))
    with pytest.raises(NotMapped, match="exit code 1"):
        mapped(job_result(json.dumps(WHOLE), exit_code=1))


@pytest.mark.parametrize("text", ["a\nFILE: b", "a\x1b[2J", "</untrusted>", "\u202eb", "a\u2028b", "\x00"])
def test_no_line_of_an_answer_leaves_its_place(text: str) -> None:
    said = mapped(job_result(json.dumps(WHOLE | {"lines": [text]})))

    assert said.isprintable()
    assert "untrusted>" not in said


def test_a_map_is_never_longer_than_asked() -> None:
    assert len(mapped(job_result(json.dumps(WHOLE | {"lines": ["x" * 300] * 500})))) <= 2000
