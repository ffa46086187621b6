"""Whole runs with a response cache: the second one asks nobody, spends nothing, and says so."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from command_line import Shell
from lmac.config import RunConfig
from lmac.inputs import with_reply_cache
from lmac.messages import Usage
from lmac.progress import progress_listener
from lmac.report.summary import render_summary
from lmac.run import execute
from lmac.transitions import Outcome
from scripted_runs import DONE, GREEN_FILES, ONE_STEP, delivered, events, scripted_order, wrote
from scripted_server import ScriptedServer

pytestmark = pytest.mark.engine


def test_a_second_run_gets_all_replies_from_the_cache_and_pays_none(tmp_path: Path, image_id: str) -> None:
    settings = {"response_cache": str(tmp_path / "replies")}
    prices = {"prompt": 10.0, "reply": 10.0}
    shown = io.StringIO()
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        first_order = scripted_order(tmp_path, server, image_id, config=settings, prices=prices)
        first = execute(first_order)
        asked = len(server.requests)
        order = scripted_order(tmp_path, server, image_id, config=settings, prices=prices)
        second = execute(order, progress_listener("second", shown))
        assert len(server.requests) == asked

    assert (first.outcome, first.cached_replies) == (Outcome.COMPLETED, 0)
    assert first.usage.total_tokens > 0
    assert (second.outcome, second.calls, second.cached_replies) == (Outcome.COMPLETED, asked, asked)
    assert (second.usage, second.cost, second.assumed_tokens) == (Usage(), 0.0, 0)
    assert delivered(order.folder) == delivered(first_order.folder)
    assert f"in {asked} calls, {asked} of them answered by the response cache" in render_summary(second)
    assert "response cache" in shown.getvalue()
    assert events(order.folder, "response_cache")[0].data == {"folder": settings["response_cache"]}
    assert all(event.data["cached"] for event in events(order.folder, "reply"))
    assert not any("cached" in event.data for event in events(first_order.folder, "reply"))


def test_a_run_without_one_keeps_nothing(tmp_path: Path, image_id: str) -> None:
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        order = scripted_order(tmp_path, server, image_id)
        execute(order)

    assert events(order.folder, "response_cache") == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["runs"]


def test_the_option_takes_a_folder_of_its_own_unless_the_config_names_one(tmp_path: Path) -> None:
    variables = {"LMAC_CACHE": str(tmp_path)}
    own = RunConfig(response_cache="mine")

    assert with_reply_cache(RunConfig(), variables).response_cache == str(tmp_path / "replies")
    assert with_reply_cache(own, variables).response_cache == "mine"
    said = Shell(tmp_path).lmac("run", "--help").stdout
    examples, options = said.split("Options:")
    assert "--cache" in examples
    assert "--cache" in options
