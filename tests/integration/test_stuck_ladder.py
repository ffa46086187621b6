"""A whole run in real boxes that goes round in circles: each step of the way out, in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmac.journal import read_journal
from lmac.run import execute
from lmac.transitions import Outcome
from scripted_runs import DONE, GREEN_FILES, ONE_STEP, RED_FILES, scripted_order, wrote
from scripted_server import Says, ScriptedServer

pytestmark = pytest.mark.engine

THINKS = Says("I think about it.")
PARTS = Says("1. Write doubling.py. (files: doubling.py)\n2. Write its tests. (files: test_doubling.py)")
TOLD = ("window", "stuck", "unstuck", "restart", "split_asked", "program_revised", "instruction_end")
CIRCLE = [THINKS] * 4
"""The first is new; then three that bring nothing new."""


def test_a_circle_is_met_with_warmth_then_a_fresh_window_then_smaller_steps_and_then_given_up(
    tmp_path: Path, image_id: str
) -> None:
    script = [
        ONE_STEP,
        *(wrote(RED_FILES), THINKS, THINKS, Says("READ doubling.py"), THINKS, THINKS, THINKS),
        *CIRCLE,
        PARTS,
        *(*CIRCLE, *CIRCLE),
        *(wrote(GREEN_FILES), DONE),
    ]
    machine = {"turns": 9, "attempts": 2, "stuck_turns": 3, "revisions": 1}
    with ScriptedServer(script) as server:
        order = scripted_order(tmp_path, server, image_id, config={"machine": machine})
        result = execute(order)
    told = [event for event in read_journal(order.folder) if event.kind in TOLD]
    ends = [event.data for event in told if event.kind == "instruction_end"]

    assert [event.kind for event in told] == [
        *("window", "stuck", "unstuck", "stuck", "stuck", "restart"),
        *("window", "stuck", "stuck", "split_asked", "program_revised"),
        *("window", "stuck", "stuck", "restart"),
        *("window", "stuck", "stuck", "instruction_end"),
        *("window", "instruction_end"),
    ]
    assert [event.data["heat"] for event in told if event.kind.endswith("stuck")][:4] == [1, 0, 1, 2]
    # Of the first window: warmer, cooler, warmer again.
    assert [body["temperature"] for body in server.turns[1:8]] == [0.0, 0.0, 0.0, 0.1, 0.0, 0.1, 0.2]
    assert [end["end"] for end in ends] == ["given up", "completed"]
    assert ends[0]["reason"] == "3 turns brought nothing new: the same reply came again"
    assert result.outcome is Outcome.INSTRUCTION_GIVEN_UP
    assert (result.instructions, result.instructions_completed) == (2, 1)
