"""What a Python program names wrongly is said before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lmac
from lmac.errors import ConfigError
from lmac.inputs import TASK_CHARACTERS, given_task
from lmac.program import Task

TEXT = "Write doubling.py with double."


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("", "it is empty"),
        (Task(" \n", "blank"), "it is empty"),
        (Task("a " * TASK_CHARACTERS, "long"), "at most"),
        ("half a pair: \ud800", "not Unicode"),
        (None, "of type NoneType"),
        (b"Write it all", "of type bytes"),
        ("no\0where.md", "no such file"),
    ],
    ids=repr,
)
def test_a_task_that_is_none(task: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        lmac.generate(task)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (5, "of type int"),
        ("nowhere.yaml", "No such file"),
        ("no\0where.yaml", "null byte"),
        ({"nokey": 1}, "`nokey`"),
        ({1: 1}, "key `1`"),
        ({"machine": {"turns": "many"}}, "`machine.turns`"),
        ({"runs_folder": "a\0b"}, "`runs_folder`"),
        ({"checks": ["no\0where.yaml"]}, "null byte"),
        ({"model": "nobody"}, "no such profile"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("function", [lmac.generate, lmac.generate_codebase, lmac.generate_book, lmac.stream])
def test_a_config_that_is_none(function: Callable[..., object], config: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        function(TEXT, config)


@pytest.mark.parametrize("name", ["acceptance", "start_from", "program"])
@pytest.mark.parametrize("path", ["nowhere", "no\0where"])
def test_a_path_that_is_none(name: str, path: str) -> None:
    with pytest.raises(ConfigError, match="where"):
        lmac.generate(TEXT, **{name: path})  # type: ignore[arg-type]


@pytest.mark.parametrize("run_id", ["", "../outside", "-c"])
def test_an_id_that_is_no_folders_name(run_id: str) -> None:
    with pytest.raises(ConfigError, match="--id"):
        lmac.generate(TEXT, run_id=run_id)


@pytest.mark.parametrize("name", ["../../outside", "a/b", "", "\0"])
def test_a_tasks_name_never_leads_out_of_the_runs_folder(name: str) -> None:
    assert Path(given_task(Task(TEXT, name)).task.name).parts in {("outside",), ("a-b",), ("task",)}
