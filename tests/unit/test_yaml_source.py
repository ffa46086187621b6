"""YAML of the user: what is wrong is named by file, line, key and value; nothing in it is obeyed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.config import RunConfig
from lmac.errors import ConfigError
from lmac.models.profile import ModelProfile
from lmac.yaml_source import MOST_CHARACTERS, YamlSource, override, parse_yaml, validated

EMPTY = YamlSource("command line", {}, {})


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        validated(RunConfig, parse_yaml(text, "own.yaml"))
    return error.value.message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("model: m\nrun_folder: x", ["own.yaml, line 2", "`run_folder`", "no such key", "`runs_folder`"]),
        ("box:\n  wall_secs: 3", ["line 2", "`box.wall_secs`", "no such key", "`wall_seconds`"]),
        ("machine:\n  turns: many", ["line 2", "`machine.turns`", "integer", "'many'"]),
        ("seed: -1", ["line 1", "`seed`", "greater than or equal to 0", "-1"]),
        ("domain: novel", ["`domain`", "'codebase'", "'novel'"]),
        (
            "\n\nrules:\n  lint:\n    blocking:\n      - E9\n      - {a: 1}",
            ["line 7", "`rules.lint.blocking.1`"],
        ),
        ("box: 3", ["line 1", "`box`", "3"]),
        ("box:\n  pids: 0", ["line 1", "`box`", "pids is 0"]),
        ("machine: {turns: 0}", ["`machine`", "turns is 0"]),
        ("budget: {wall_seconds: .nan}", ["`budget`", "wall_seconds is nan"]),
        ("box: {memory_bytes: 1000000}", ["`box`", "memory_bytes is 1000000"]),
        ("store: {file_bytes: 99999999999}", ["`store`", "file_bytes is 99999999999"]),
        ("1: a", ["`1`", "strings"]),
    ],
)
def test_what_does_not_fit_is_named_by_line_key_and_value(text: str, parts: list[str]) -> None:
    message = refused(text)

    for part in parts:
        assert part in message


def test_all_faults_are_named_at_once() -> None:
    message = refused("seed: x\nmodell: y\nready_boxes: 99")

    assert [f"line {number}" in message for number in (1, 2, 3)] == [True] * 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1", "no YAML: line"),
        ("a: 1\nb: \t- x\n  c", "no YAML: line"),
        ("a: 1\n---\nb: 2", "no YAML: line 2"),
        ("a: \x00", "no YAML"),
        ("- a\n- b", "a mapping of keys"),
        ("just words", "a mapping of keys"),
        ("42", "a mapping of keys"),
        ("seed: 1\nmodel: m\nseed: 2", "own.yaml, line 3: key `seed` is given twice"),
        ("box:\n  pids: 1\n  pids: 2", "line 3: key `pids` is given twice"),
        ("? [a, b]\n: 1", "line 1: a key must be"),
        ("? {a: b}\n: 1", "line 1: a key must be"),
        ("a: &a [*a]", "an alias that holds itself"),
        ("a: " + "[" * 600 + "]" * 600, "nested too deeply"),
        ("seed: " + "9" * 5000, "not what it looks like"),
        ("model: 2024-13-45", "not what it looks like"),
        ("seed: !!int abc", "not what it looks like"),
        ("seed: !!bool abc", "not what it looks like"),
        ("seed: !!timestamp abc", "not what it looks like"),
        ("model: !!python/object/apply:os.system ['true']", "tag"),
        ("model: !!python/name:os.system", "tag"),
        ("model: !include /etc/passwd", "tag"),
        ("a: " + "x" * MOST_CHARACTERS, "characters; at most"),
    ],
)
def test_what_is_no_mapping_of_plain_values_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_yaml(text, "own.yaml")

    assert "own.yaml" in error.value.message
    assert told in error.value.message
    assert len(error.value.message) < 500


def test_an_alias_bomb_is_refused_before_it_is_built() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    with pytest.raises(ConfigError, match="its aliases stand for more than"):
        parse_yaml("\n".join(lines), "own.yaml")


def test_a_merge_bomb_is_refused_before_it_is_built() -> None:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]

    with pytest.raises(ConfigError, match="its aliases stand for more than"):
        parse_yaml("\n".join(lines), "own.yaml")


def test_an_honest_alias_is_understood() -> None:
    source = parse_yaml("a: &own {pids: 5}\nb:\n  <<: *own\n  cpus: 2", "own.yaml")

    assert source.content["b"] == {"pids": 5, "cpus": 2}


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "---\n"])
def test_an_empty_document_says_nothing(text: str) -> None:
    assert validated(RunConfig, parse_yaml(text, "own.yaml")) == RunConfig()


PROFILE = "name: m\nprotocol: fenced\ncontext_tokens: 4096\nreply_tokens: 512\nserver:\n  model: m\n"


@pytest.mark.parametrize(
    "line",
    [
        "api_key: sk-0123456789",
        "api_key: [sk-0123456789]",
        "api_key_env: [sk-0123456789]",
        "password: sk-0123456789",
        "base_url: http://me:sk-0123456789@host/v1",
        "base_url: http://host/v1?token=sk-0123456789",
        "base_url: ftp://sk-0123456789@host",
    ],
)
def test_no_complaint_shows_a_secret(line: str) -> None:
    with pytest.raises(ConfigError) as error:
        validated(ModelProfile, parse_yaml(f"{PROFILE}  {line}\n", "own.yaml"))

    assert "sk-0123456789" not in str(error.value)
    assert f"server.{line.split(':')[0]}" in str(error.value)


def test_numbers_of_tokens_are_no_secrets() -> None:
    with pytest.raises(ConfigError, match="'lots'"):
        validated(RunConfig, parse_yaml("budget: {tokens: lots}", "own.yaml"))


def test_a_value_of_the_command_line_replaces_one_and_leaves_the_others() -> None:
    source = parse_yaml("box: {pids: 10, cpus: 2}\nseed: 1", "own.yaml")
    config = validated(RunConfig, override(override(source, "box.pids=20"), "machine.turns = 3"))

    assert (config.box.pids, config.box.cpus, config.machine.turns, config.seed) == (20, 2.0, 3, 1)
    assert source.content["box"]["pids"] == 10


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("box.pids", "the form is -k key=value"),
        ("=3", "the form is -k key=value"),
        ("box.pids=[", "no YAML"),
        ("seed=" + "9" * 5000, "not what it looks like"),
        ("seed=" + "[" * 600, "no YAML|nested"),
        ("model.name=x", "`model` holds no keys"),
        ("model=!!python/name:os.system", "tag"),
    ],
)
def test_an_option_that_cannot_be_read_is_named(assignment: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        override(parse_yaml("model: m", "own.yaml"), assignment)


@pytest.mark.parametrize(
    ("assignment", "parts"),
    [
        ("box.pidz=3", ["-k box.pidz", "no such key", "`pids`"]),
        ("machine.turns=x", ["-k machine.turns", "`machine.turns`", "'x'"]),
        ("nothing=1", ["-k nothing", "no such key"]),
        ("machine.turns=", ["-k machine.turns", "None"]),
    ],
)
def test_a_wrong_value_of_the_command_line_is_named_by_its_option(assignment: str, parts: list[str]) -> None:
    source = override(parse_yaml("machine:\n  turns: 4\nbox:\n  pids: 5\n", "own.yaml"), assignment)
    with pytest.raises(ConfigError) as error:
        validated(RunConfig, source)

    for part in parts:
        assert part in error.value.message


@given(st.text(max_size=60) | st.text(alphabet="ab: -[]{}&*!|>\n'\"#?,1", max_size=60))
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    try:
        validated(RunConfig, parse_yaml(text, "own.yaml"))
    except ConfigError:
        return


@given(st.text(max_size=40) | st.text(alphabet="box.pids=seed[]{}&*!1", max_size=40))
def test_no_option_raises_anything_but_a_config_error(assignment: str) -> None:
    try:
        validated(RunConfig, override(EMPTY, assignment))
    except ConfigError:
        return
