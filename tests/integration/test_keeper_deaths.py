"""Whole runs whose keeper is killed, as without memory: once is overcome, twice ends the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lmac.journal import Event
from lmac.run import RunOrder, execute
from lmac.transitions import Outcome
from lmac_sandbox import Engine
from scripted_runs import (
    DONE,
    GREEN_FILES,
    ONE_STEP,
    delivered,
    events,
    leftovers,
    scripted_order,
    wrote,
)
from scripted_server import ScriptedServer

pytestmark = pytest.mark.engine

SCRIPT = [ONE_STEP, wrote(GREEN_FILES), DONE]
LONGER = [ONE_STEP, wrote({**GREEN_FILES, "notes.md": "never written"}), DONE]


def killer(engine: Engine, order: RunOrder, *roles: str) -> Callable[[Event], None]:
    """Kills at the first observation all of the run's containers that have the first role, and so on."""
    left = list(roles)

    def heard(event: Event) -> None:
        if event.kind == "observation" and left:
            role = left.pop(0)
            chosen = {} if role == "all" else {"lmac.role": role}
            for container_id in engine.containers({"lmac.run": order.folder.name, **chosen}):
                engine.remove_container(container_id)

    return heard


def test_a_run_goes_on_when_its_keeper_dies_once(engine: Engine, image_id: str, tmp_path: Path) -> None:
    with ScriptedServer(SCRIPT) as server:
        order = scripted_order(tmp_path, server, image_id)
        result = execute(order, killer(engine, order, "keeper"))

    assert (result.outcome, result.error) == (Outcome.COMPLETED, "")
    assert delivered(order.folder) == GREEN_FILES
    assert len(events(order.folder, "keeper_replaced")) == 1
    assert leftovers(engine, order.folder.name) == 0


@pytest.mark.slow
def test_a_run_ends_when_its_keeper_dies_again_and_delivers_what_is_left(
    engine: Engine, image_id: str, tmp_path: Path
) -> None:
    with ScriptedServer(LONGER) as server:
        order = scripted_order(tmp_path, server, image_id)
        result = execute(order, killer(engine, order, "keeper", "keeper"))

    assert result.outcome is Outcome.SANDBOX_FAILED
    assert result.exit_code == 5
    assert "for the second time" in result.error
    # The box that waits for its first job holds the volume.
    assert delivered(order.folder) == GREEN_FILES
    assert events(order.folder, "store_lost") == []
    assert leftovers(engine, order.folder.name) == 0


def test_files_that_nobody_holds_any_more_are_named_as_lost(
    engine: Engine, image_id: str, tmp_path: Path
) -> None:
    with ScriptedServer(LONGER) as server:
        order = scripted_order(tmp_path, server, image_id)
        result = execute(order, killer(engine, order, "keeper", "all"))

    assert result.outcome is Outcome.SANDBOX_FAILED
    (lost,) = events(order.folder, "store_lost")
    assert lost.data["text"].startswith("2 files were lost with the store's keeper, such as 'doubling.py'")
    assert delivered(order.folder) == {}
