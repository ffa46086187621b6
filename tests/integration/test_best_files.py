"""Whole runs in real boxes: what goes out is the best there was, and of several candidates the best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lmac.errors import RunCancelled
from lmac.journal import Event
from lmac.report.result import RunResult
from lmac.run import RunOrder, execute
from lmac.transitions import Outcome
from scripted_runs import DONE, GREEN_FILES, MODULE, ONE_STEP, TESTS, delivered, events, scripted_order, wrote
from scripted_server import Says, Scripted, ScriptedServer

pytestmark = pytest.mark.engine

TWO_TESTS = f"{TESTS}\n\ndef test_nought() -> None:\n    assert double(0) == 0\n"
ONE_WRONG = {"doubling.py": MODULE.replace("* 2", "* 3"), "test_doubling.py": TWO_TESTS}
BOTH_WRONG = {"doubling.py": MODULE.replace("number * 2", "number * 3 + 1")}
BROKEN = {"doubling.py": "def double(number:\n"}


def ran(
    folder: Path,
    image_id: str,
    *replies: Scripted,
    listener: Any = None,
    config: Mapping[str, Any] | None = None,
    **profile: Any,
) -> tuple[RunResult, RunOrder, ScriptedServer]:
    """A run of one step that has ended."""
    with ScriptedServer([ONE_STEP, *replies]) as server:
        order = scripted_order(folder, server, image_id, config=config, **profile)
        result = execute(order, listener)
    return result, order, server


def raising_at(error: BaseException, kind: str, number: int) -> Any:
    """A listener that raises once, at that event of its kind."""
    seen: list[Event] = []

    def listen(event: Event) -> None:
        if event.kind == kind:
            seen.append(event)
            if len(seen) == number:
                raise error

    return listen


# The regression guard


def test_a_step_that_made_its_files_worse_is_given_up_at_its_best_ones(tmp_path: Path, image_id: str) -> None:
    machine = {"machine": {"turns": 3, "attempts": 1, "revisions": 0}}
    replies = wrote(ONE_WRONG), wrote(BOTH_WRONG), wrote(BROKEN)
    result, order, _ = ran(tmp_path, image_id, *replies, config=machine)

    assert result.outcome is Outcome.INSTRUCTION_GIVEN_UP
    assert delivered(order.folder) == ONE_WRONG
    restored = events(order.folder, "restored")
    assert len(restored) == 1
    best, worst = restored[0].data["ranks"]
    assert best < worst
    assert result.checks is not None
    assert result.checks.store_digest == restored[0].data["store_digest"]


def test_a_budget_that_ends_the_run_leaves_its_best_files(tmp_path: Path, image_id: str) -> None:
    budget = {"budget": {"calls": 3}}
    result, order, _ = ran(tmp_path, image_id, wrote(GREEN_FILES), wrote(BROKEN), config=budget)

    assert result.outcome is Outcome.BUDGET_SPENT
    assert delivered(order.folder) == GREEN_FILES
    assert len(events(order.folder, "restored")) == 1
    assert result.checks is not None
    assert result.checks.green


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RunCancelled()], ids=["Ctrl-C", "cancelled"])
def test_an_interrupted_run_leaves_its_best_files(
    tmp_path: Path, image_id: str, error: BaseException
) -> None:
    listener = raising_at(error, "report", 2)
    result, order, _ = ran(tmp_path, image_id, wrote(GREEN_FILES), wrote(BROKEN), listener=listener)

    assert result.outcome is Outcome.INTERRUPTED
    assert delivered(order.folder) == GREEN_FILES
    assert len(events(order.folder, "restored")) == 1


# Candidates


def panel(order: RunOrder) -> dict[str, Any]:
    """What the journal says of the one choice among candidates."""
    (chosen,) = [dict(event.data) for event in events(order.folder, "candidates")]
    return chosen


def purposes(order: RunOrder) -> list[str]:
    """Of all requests, in order."""
    return [event.data["purpose"] for event in events(order.folder, "request")]


def test_a_first_candidate_that_is_green_is_taken_at_once(tmp_path: Path, image_id: str) -> None:
    result, order, _ = ran(tmp_path, image_id, wrote(GREEN_FILES), DONE, candidates=3)

    assert result.outcome is Outcome.COMPLETED
    assert panel(order)["chosen"] == 0
    assert purposes(order) == ["turn", "turn", "turn"]


def test_a_second_candidate_that_is_better_is_taken_and_written(tmp_path: Path, image_id: str) -> None:
    replies = wrote(ONE_WRONG), wrote(GREEN_FILES), DONE
    result, order, server = ran(tmp_path, image_id, *replies, candidates=3)

    assert result.outcome is Outcome.COMPLETED
    assert panel(order)["green"] == [False, True]
    assert panel(order)["chosen"] == 1
    assert delivered(order.folder) == GREEN_FILES
    assert [body["temperature"] for body in server.requests[1:3]] == [0.0, 0.8]
    spoken = [message["content"] for message in server.requests[3]["messages"]]
    assert replies[1].text in spoken
    assert replies[0].text not in spoken


def asking(*statements: str, names: str = "double") -> str:
    """A test for each of these statements, named by what it asks."""
    tests = [f"def test_{number}() -> None:\n    assert {said}\n" for number, said in enumerate(statements)]
    return f"from doubling import {names}\n\n\n" + "\n\n".join(tests)


def candidate(module: str, tests: str) -> Says:
    return wrote({"doubling.py": module, "test_doubling.py": tests})


RIGHT = candidate(MODULE, asking("double(4) == 8", "double(1) == 3"))
RIGHT_TOO = candidate(
    MODULE.replace("number * 2", "number + number"), asking("double(5) == 10", "double(2) == 5")
)
WRONG = candidate(MODULE.replace("* 2", "* 3"), asking("double(2) == 6", "double(1) == 2"))


def test_of_candidates_with_wrong_tests_the_one_that_most_agree_with_is_taken(
    tmp_path: Path, image_id: str
) -> None:
    machine = {"machine": {"turns": 1, "attempts": 1, "revisions": 0}}
    replies = WRONG, RIGHT, RIGHT_TOO
    result, order, _ = ran(tmp_path, image_id, *replies, config=machine, candidates=3)

    assert result.outcome is Outcome.INSTRUCTION_GIVEN_UP, "its own tests are wrong, and nobody mends them"
    assert panel(order)["ranks"][0] == panel(order)["ranks"][1], "by its own tests none is the better one"
    assert panel(order)["chosen"] == 1
    wrong, right, right_too = panel(order)["scores"]
    assert right == right_too > wrong
    assert delivered(order.folder)["doubling.py"] == MODULE


def test_tests_that_a_candidate_cannot_import_fail_for_it_and_take_none_of_the_others_along(
    tmp_path: Path, image_id: str
) -> None:
    more = MODULE + "\n\ndef thrice(number: int) -> int:\n    return number * 3\n"
    wants_more = candidate(
        more, asking("double(6) == 12", "thrice(2) == 6", "double(1) == 3", names="double, thrice")
    )
    machine = {"machine": {"turns": 1, "attempts": 1, "revisions": 0}}
    replies = WRONG, RIGHT, wants_more, RIGHT_TOO
    _, order, _ = ran(tmp_path, image_id, *replies, config=machine, candidates=4)

    # Each right one passes a test of each right one's and one of WRONG's, as no other candidate does.
    assert panel(order)["scores"] == [2, 6, 5, 6]
    assert panel(order)["chosen"] == 1
