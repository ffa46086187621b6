"""Replies that a server cut at their length limit: carried out whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lmac.run import execute
from lmac.transitions import Outcome
from scripted_runs import (
    DONE,
    GREEN_FILES,
    NATIVE_DONE,
    NATIVE_ONE_STEP,
    ONE_STEP,
    TESTS,
    delivered,
    events,
    native_wrote,
    observations,
    scripted_order,
    wrote,
)
from scripted_server import Calls, Says, Scripted, ScriptedServer

pytestmark = pytest.mark.engine

WHOLE = wrote(GREEN_FILES).text
PLACE = WHOLE.index("return number") + 9


def run(tmp_path: Path, image_id: str, script: list[Scripted], **profile: Any) -> tuple[Path, ScriptedServer]:
    with ScriptedServer(script) as server:
        order = scripted_order(tmp_path, server, image_id, **profile)
        assert execute(order).outcome is Outcome.COMPLETED
    assert server.refused == []
    assert delivered(order.folder) == GREEN_FILES
    return order.folder, server


def test_a_file_in_fences_is_continued(tmp_path: Path, image_id: str) -> None:
    line = WHOLE.rindex("\n", 0, PLACE) + 1
    script: list[Scripted] = [ONE_STEP, Says(WHOLE[:PLACE], "length"), Says(WHOLE[line:]), DONE]
    folder, server = run(tmp_path, image_id, script)

    assert server.turns[2]["messages"][-1]["content"].endswith("That line begins:\n    return nu")
    assert [event.data["joined"] for event in events(folder, "continued")] == [True]


def test_a_file_that_is_cut_twice_is_asked_for_anew(tmp_path: Path, image_id: str) -> None:
    cut = Says(WHOLE[:PLACE], "length")
    script: list[Scripted] = [
        ONE_STEP,
        cut,
        Says(WHOLE[PLACE : PLACE + 3], "length"),
        wrote(GREEN_FILES),
        DONE,
    ]
    folder, _ = run(tmp_path, image_id, script)

    assert "Your reply was cut within doubling.py, so it was not written." in observations(folder)[0]


def test_a_call_that_was_cut_is_not_carried_out(tmp_path: Path, image_id: str) -> None:
    cut = Calls(
        (("write", {"path": "test_doubling.py", "content": TESTS}), ("write", '{"path": "dou')),
        finish="length",
    )
    script: list[Scripted] = [NATIVE_ONE_STEP, cut, native_wrote(GREEN_FILES), NATIVE_DONE]
    folder, _ = run(tmp_path, image_id, script, protocol="native")

    assert "The reply was cut at its length limit: write less in one call." in observations(folder)[0]
