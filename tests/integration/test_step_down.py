"""A form that the server refuses, or that the model cannot keep, is left for the next one of the profile."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from lmac.run import execute
from lmac.transitions import Outcome
from scripted_runs import DONE, GREEN_FILES, ONE_STEP, delivered, events, scripted_order, wrote
from scripted_server import Body, Says, Scripted, ScriptedServer, heard_last

pytestmark = pytest.mark.engine


def test_a_server_that_refuses_tools_and_schemas_is_spoken_to_in_fences(
    tmp_path: Path, image_id: str
) -> None:
    replies = iter([ONE_STEP, wrote(GREEN_FILES), DONE])

    def script(body: Body) -> Scripted:
        if "tools" in body or "response_format" in body:
            # The server answers a text with 400.
            return cast(Scripted, "this model does not support tools")
        return next(replies)

    with ScriptedServer(script) as server:
        order = scripted_order(tmp_path, server, image_id, protocols=["native", "json", "fenced"])
        result = execute(order)

    stepped = [event.data for event in events(order.folder, "protocol_stepped_down")]
    assert [(down["before"], down["after"]) for down in stepped] == [("native", "json"), ("json", "fenced")]
    assert result.outcome is Outcome.COMPLETED
    assert delivered(order.folder) == GREEN_FILES


def test_a_model_that_calls_no_tool_is_asked_in_fences_after_two_replies(
    tmp_path: Path, image_id: str
) -> None:
    words = [Says("Let me think."), Says("I would write it so.")]
    replies = iter([*words, wrote(GREEN_FILES), DONE])
    with ScriptedServer(lambda _: next(replies)) as server:
        order = scripted_order(
            tmp_path,
            server,
            image_id,
            protocols=["native", "fenced"],
            config={"machine": {"program_tries": 0}},
        )
        result = execute(order)

    assert [event.data["reason"] for event in events(order.folder, "protocol_stepped_down")] == [
        "2 replies in a row could not be read"
    ]
    assert "FILE: <path>" in server.turns[2]["messages"][0]["content"]
    assert "tools" not in server.turns[2]
    # A fresh window: nothing of the calls before is in it.
    assert "Let me think" not in heard_last(server.turns[2])
    assert result.outcome is Outcome.COMPLETED
    assert server.refused == []


def test_a_model_that_gives_no_program_by_a_call_is_asked_for_a_list(tmp_path: Path, image_id: str) -> None:
    words = [Says("Let me think."), Says("It needs one step.")]
    replies = iter([*words, ONE_STEP, wrote(GREEN_FILES), DONE])
    with ScriptedServer(lambda _: next(replies)) as server:
        order = scripted_order(tmp_path, server, image_id, protocols=["native", "fenced"])
        result = execute(order)

    stepped = [event.data for event in events(order.folder, "protocol_stepped_down")]
    assert [(down["after"], down["program_form"]) for down in stepped] == [("fenced", "numbered")]
    assert result.outcome is Outcome.COMPLETED
    assert delivered(order.folder) == GREEN_FILES
    assert server.refused == []
