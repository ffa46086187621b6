"""Whole runs in real boxes: tests of a step that is closed stay what they are, or somebody says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lmac.report.result import RunResult
from lmac.run import execute
from lmac.transitions import Outcome
from scripted_runs import DONE, MODULE, delivered, events, scripted_order, wrote
from scripted_server import Says, Scripted, ScriptedServer, heard_last

pytestmark = pytest.mark.engine

PROGRAM = Says(
    "1. Write doubling.py, and tests. (files: doubling.py, test_doubling.py)\n"
    "2. Write halving.py, and tests. (files: halving.py, test_halving.py)"
)
HEAD = "import pytest\n\nfrom doubling import double\n\n\n"
EIGHT = "def test_eight() -> None:\n    assert double(4) == 8\n    assert double(5) == 10\n"
ZERO = "def test_zero() -> None:\n    assert double(0) == 0\n"
KIND = "def test_kind() -> None:\n    with pytest.raises(TypeError):\n        double()\n"
TESTS = f"{HEAD}{EIGHT}\n\n{ZERO}\n\n{KIND}"
FIRST = {"doubling.py": MODULE, "test_doubling.py": TESTS}
SECOND = {
    "halving.py": "def half(number: int) -> int:\n    return number // 2\n",
    "test_halving.py": "from halving import half\n\n\ndef test_half() -> None:\n    assert half(8) == 4\n",
}
WEAKER = {
    "deleted": (TESTS.replace(f"{ZERO}\n\n", ""), "test_doubling.py::test_zero was deleted"),
    "emptied": (
        TESTS.replace("    assert double(5) == 10\n", ""),
        "test_doubling.py::test_eight states less: 1 assertions, it had 2",
    ),
    "renamed": (
        TESTS.replace("def test_zero", "def test_nought"),
        "test_doubling.py::test_zero was deleted",
    ),
}


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended."""

    result: RunResult
    folder: Path
    server: ScriptedServer

    @property
    def refusals(self) -> list[str]:
        """Why a finish did not count, in order."""
        found = [event.data for event in events(self.folder, "decision")]
        return [data["reason"] for data in found if data["what"] == "RefuseFinish"]


def second_step(folder: Path, image_id: str, files: Mapping[str, str], *then: Scripted) -> Ran:
    """A run whose first step closes on its tests, and whose second one writes these files."""
    with ScriptedServer([PROGRAM, wrote(FIRST), DONE, wrote(files), *then]) as server:
        order = scripted_order(folder, server, image_id)
        result = execute(order)
    assert server.refused == []
    return Ran(result, order.folder, server)


@pytest.mark.parametrize(("tests", "said"), WEAKER.values(), ids=WEAKER)
def test_a_step_does_not_finish_over_an_earlier_test_that_is_gone_or_says_less(
    tmp_path: Path, image_id: str, tests: str, said: str
) -> None:
    back = wrote({"test_doubling.py": TESTS})
    ran = second_step(tmp_path, image_id, {**SECOND, "test_doubling.py": tests}, DONE, back, DONE)

    assert ran.result.outcome is Outcome.COMPLETED
    assert len(ran.refusals) == 1
    assert said in ran.refusals[0]
    assert said in heard_last(ran.server.turns[-2]), "the model is told which test, and how"
    assert delivered(ran.folder)["test_doubling.py"] == TESTS


def test_a_skipped_test_is_no_pass_at_all(tmp_path: Path, image_id: str) -> None:
    skipped = TESTS.replace("def test_zero", "@pytest.mark.skip\ndef test_zero")
    back = wrote({"test_doubling.py": TESTS})
    ran = second_step(tmp_path, image_id, {**SECOND, "test_doubling.py": skipped}, DONE, back, DONE)

    assert ran.result.outcome is Outcome.COMPLETED
    assert ran.refusals == ["the checks do not pass"]
    assert "test_doubling.py::test_zero" in heard_last(ran.server.turns[-3])


def test_a_test_goes_when_somebody_says_why_and_the_journal_keeps_it(tmp_path: Path, image_id: str) -> None:
    shorter = WEAKER["deleted"][0]
    retired = Says("RETIRE test_doubling.py::test_zero nothing in the task speaks of nought\n\nDONE")
    ran = second_step(tmp_path, image_id, {**SECOND, "test_doubling.py": shorter}, DONE, retired)

    assert ran.result.outcome is Outcome.COMPLETED
    assert len(ran.refusals) == 1
    assert [event.data for event in events(ran.folder, "test_retired")] == [
        {"test": "test_doubling.py::test_zero", "reason": "nothing in the task speaks of nought"}
    ]
    assert delivered(ran.folder)["test_doubling.py"] == shorter


def test_retiring_one_test_says_nothing_of_another(tmp_path: Path, image_id: str) -> None:
    only = {**SECOND, "test_doubling.py": f"from doubling import double\n\n\n{EIGHT}"}
    retired = Says("RETIRE test_doubling.py::test_zero it is not asked for\n\nDONE")
    back = wrote({"test_doubling.py": TESTS})
    ran = second_step(tmp_path, image_id, only, retired, back, DONE)

    assert ran.result.outcome is Outcome.COMPLETED
    assert len(ran.refusals) == 1
    assert "test_kind was deleted" in ran.refusals[0]
    assert "test_zero" not in ran.refusals[0]


def test_tests_that_move_to_another_file_are_not_missed(tmp_path: Path, image_id: str) -> None:
    moved = Says(wrote({**SECOND, "tests/test_twice.py": TESTS}).text + "\n\nDELETE test_doubling.py")
    with ScriptedServer([PROGRAM, wrote(FIRST), DONE, moved, DONE]) as server:
        order = scripted_order(tmp_path, server, image_id)
        result = execute(order)

    assert result.outcome is Outcome.COMPLETED
    assert "RefuseFinish" not in [event.data["what"] for event in events(order.folder, "decision")]
    assert "test_doubling.py" not in delivered(order.folder)
