"""`lmac doctor --model` as a shell runs it: table, JSON, file, exit codes; with real weights as well."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from command_line import Shell
from lmac.inputs import load_profile
from lmac.processor.actions import ProtocolName
from probed_server import ALL, Does, Habits, ProbedServer

CONFIG, MODEL = 2, 4


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def profile_at(shell: Shell, base_url: str, **changes: object) -> tuple[str, ...]:
    plain = {"name": "mine", "protocol": "native", "call_seconds": 20}
    plain |= {"server": {"base_url": base_url, "model": "m"}, **changes}
    (shell.folder / "mine.yaml").write_text(yaml.safe_dump(plain))
    return ("doctor", "--model", "-k", "model=./mine.yaml")


def test_the_table_says_what_was_found_what_it_means_and_what_it_cost(shell: Shell) -> None:
    with ProbedServer() as server:
        ended = shell.lmac(*profile_at(shell, server.base_url))

    assert ended.code == 0, ended.stderr
    assert "ok   seed " in ended.stdout
    assert "profile: json_schema: true" in ended.stdout
    assert "9 calls; by the server's count 180 prompt tokens" in ended.stdout
    assert "at most 18 short calls" in ended.stderr


def test_a_profile_that_does_not_fit_its_server_is_a_fault_until_a_fitting_one_is_written(
    shell: Shell,
) -> None:
    with ProbedServer(replace(ALL, tools=Does.REFUSES)) as server:
        order = profile_at(shell, server.base_url, context_tokens=9000, reply_tokens=100)
        looked = shell.lmac(*order)
        wrote = shell.lmac(*order, "--write", "found.yaml")

    assert (looked.code, wrote.code) == (CONFIG, 0), wrote.stderr
    assert "BAD  tool calls" in looked.stdout
    assert "fix: context_tokens: 4096" in looked.stdout
    found = load_profile(str(shell.folder / "found.yaml"))
    assert found.name == "found"
    assert found.protocols == (ProtocolName.FENCED, ProtocolName.JSON)
    assert (found.context_tokens, found.json_schema, found.seed) == (4096, True, 1)


def test_no_file_is_overwritten_and_nothing_is_asked_before_that_is_said(shell: Shell) -> None:
    (shell.folder / "kept.yaml").write_text("mine")
    (shell.folder / "link.yaml").symlink_to("nowhere")
    with ProbedServer() as server:
        order = profile_at(shell, server.base_url)
        for name, word in [("kept.yaml", "exists"), ("link.yaml", "exists"), ("no/x.yaml", "folder")]:
            shell.lmac(*order, "--write", name).complained(CONFIG, f"--write {name}", word)
        shell.lmac(*order, "--write", "found.txt").complained(CONFIG, ".yaml file")

    assert server.requests == []
    assert (shell.folder / "kept.yaml").read_text() == "mine"


def test_write_without_model_is_refused(shell: Shell) -> None:
    shell.lmac("doctor", "--write", "found.yaml").complained(CONFIG, "--write goes with --model")


def test_a_server_that_hangs_is_named_with_its_time_and_nothing_is_written(shell: Shell) -> None:
    with ProbedServer(Habits(hangs=lambda body: True)) as server:
        order = profile_at(shell, server.base_url, call_seconds=1)
        ended = shell.lmac(*order, "--write", "found.yaml")

    assert ended.code == MODEL
    assert "gave no answer within 1 s" in ended.stdout
    assert "fix: look at the server's log" in ended.stdout
    assert not (shell.folder / "found.yaml").exists()


def test_a_key_that_is_not_set_is_said_and_one_that_is_set_is_never_shown(shell: Shell) -> None:
    with ProbedServer() as server:
        own = {"base_url": server.base_url, "model": "m", "api_key_env": "OUR_KEY"}
        order = profile_at(shell, server.base_url, server=own)
        shell.lmac(*order).complained(CONFIG, "OUR_KEY is not set")
        ended = shell.lmac(*order, "--json", "--write", "found.yaml", OUR_KEY="sk-secret-of-ours")

    assert ended.code == 0, ended.stderr
    written = (shell.folder / "found.yaml").read_text()
    assert "api_key_env: OUR_KEY" in written
    assert "sk-secret" not in ended.stdout + ended.stderr + written


@pytest.mark.model
@pytest.mark.timeout(900)
def test_the_embedded_model_is_started_asked_and_given_a_profile_that_loads(
    shell: Shell, small_model_weights: Path
) -> None:
    order = ("doctor", "--model", "-k", "model=smollm2-135m", "--json", "--write", "found.yaml")
    ended = shell.lmac(*order, wall_seconds=840, LMAC_CACHE=str(small_model_weights.parent.parent))

    assert ended.code == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    verdicts = {finding["trait"]: finding["verdict"] for finding in told["findings"]}
    for trait in ("reply limit", "temperature", "usage", "stop", "seed", "cached tokens", "JSON schema"):
        assert verdicts[trait] == "honoured", told
    assert verdicts["context"] == "honoured"
    assert 0 < told["reply_tokens"] < 1000
    found = load_profile(str(shell.folder / "found.yaml"))
    shipped = load_profile("smollm2-135m")
    assert found.embedded == shipped.embedded
    assert (found.context_tokens, found.json_schema) == (2048, True)
    assert ProtocolName.FENCED in found.protocols
