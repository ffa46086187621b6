"""A run as a trajectory in ATIF: what the format allows, word for word what was said, and nothing obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from atif_schema import Trajectory
from lmac.commands.export import export_run
from lmac.journal import read_blob, read_journal
from lmac.redaction import Redaction
from recorded_run import RecordedRun, long_run
from sent_requests import sent_requests

RECORDINGS = Path(__file__).parents[1] / "recordings"
KEY = "sk-a-key-of-a-server"


def exported(folder: Path, place: Path) -> Trajectory:
    assert export_run(str(folder), folder.parent, "atif", place) == 0
    return Trajectory.model_validate_json(place.read_text("ascii"))


@pytest.mark.parametrize("name", ["stack-queue", "small-stack-queue", "small-greeting"])
def test_a_recorded_run_is_a_valid_trajectory_of_all_that_was_said(tmp_path: Path, name: str) -> None:
    folder = RECORDINGS / name
    trajectory = exported(folder, tmp_path / "out.json")
    events = list(read_journal(folder))
    replies = [event.data for event in events if event.kind == "reply"]
    agents = [step for step in trajectory.steps if step.source == "agent"]
    said = [read_blob(folder, reply["text"]).decode() for reply in replies]
    heard = {step.message for step in trajectory.steps if step.source != "agent"} | {
        result.content for step in agents if step.observation for result in step.observation.results
    }

    assert [step.message for step in agents] == said
    for request in sent_requests(folder):
        assert {one.text for one in request.messages if one.role != "assistant"} <= heard
    assert trajectory.final_metrics is not None
    assert trajectory.final_metrics.total_steps == len(trajectory.steps)
    assert trajectory.final_metrics.total_prompt_tokens == sum(
        one["usage"]["prompt_tokens"] for one in replies
    )


def test_actions_have_their_arguments_in_full(tmp_path: Path) -> None:
    trajectory = exported(RECORDINGS / "stack-queue", tmp_path / "out.json")
    calls = [call for step in trajectory.steps for call in step.tool_calls or ()]

    assert [call.function_name for call in calls] == ["write", "write", "done", "write", "done"]
    assert calls[0].arguments["path"] == "stack_queue.py"
    assert "\nclass Stack" in calls[0].arguments["content"]


def test_native_calls_keep_their_ids_and_a_server_s_repeated_ones_get_new_ones(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run")
    run.window(0)
    for ids in (["a", "b"], ["c", "c"]):
        run.ask("", calls=[{"call_id": one, "name": "read", "arguments_json": "{}"} for one in ids])
        for path in ("a.py", "b.py"):
            run.observe("read", {"path": path}, f"text of {path}")
    trajectory = exported(run.leave(), tmp_path / "out.json")
    calls = [[call.tool_call_id for call in step.tool_calls or ()] for step in trajectory.steps[2:]]

    assert calls == [["a", "b"], ["call-2-1", "call-2-2"]]


def test_a_trajectory_holds_no_key_and_no_control_character_as_it_is(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run")
    run.journal.redaction = Redaction([KEY])
    run.window(0)
    run.ask(f"the key is {KEY}\x1b[2J\u202e\ud800")
    run.observe("read", {"path": "a\x00.py", "lines": float("nan")}, f"{KEY}\x07")
    place = tmp_path / "out.json"
    trajectory = exported(run.leave(), place)

    assert KEY not in place.read_text()
    assert place.read_text().replace("\n", "").isprintable()
    assert "[key]" in trajectory.steps[2].message


def test_what_a_journal_of_somebody_s_says_makes_no_trajectory_that_is_none(tmp_path: Path) -> None:
    run = RecordedRun(tmp_path / "run")
    run.window(0)
    run.ask("fine")
    run.journal.append(
        "observation", action=7, arguments={"path": ["x"], "content": {"sha256": "../x"}}, ok=1
    )
    run.journal.append("reply", text=3, calls={"call_id": "x"}, usage={"prompt_tokens": -1}, finish=[])
    run.journal.append("request", purpose=1, after=99, kept=5, messages=[3, {"role": "root", "text": "x"}])
    run.journal.append("reply", calls=[[], 4], finish="stop")

    assert exported(run.leave(), tmp_path / "out.json").steps


def test_a_long_run_is_written_step_by_step(tmp_path: Path) -> None:
    folder = long_run(tmp_path / "run", turns=60)
    trajectory = exported(folder, tmp_path / "out.json")

    assert sum(step.source == "agent" for step in trajectory.steps) >= 60
