"""The sizes of a model come from its server where a profile leaves them open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lmac.errors import ModelFault, ModelUnreachable
from lmac.models.profile import ModelProfile
from lmac.models.server_facts import Fetch, ServerFacts, ask_facts, sized
from lmac.processor.openai_processor import OpenAIProcessor
from scripted_server import ScriptedServer

URL = "http://127.0.0.1:8080/v1/"


def telling(**bodies: Any) -> Fetch:
    """A server that has these bodies: of its models, and of llama.cpp's properties."""
    known = {"models": bodies.get("models"), "http://127.0.0.1:8080/props": bodies.get("props")}

    def fetch(address: str) -> bytes | None:
        body = known[address]
        return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()

    return fetch


def listing(**entry: Any) -> dict[str, Any]:
    return {"data": [{"id": "m", **entry}]}


def profile(**changes: Any) -> ModelProfile:
    return ModelProfile.model_validate(
        {"name": "mine", "protocol": "native", "server": {"model": "m"}, **changes}
    )


@pytest.mark.parametrize(
    ("models", "props", "facts"),
    [
        (listing(max_model_len=4096), None, ServerFacts(4096)),
        (listing(meta={"n_ctx": 2048, "n_ctx_train": 32_768}), None, ServerFacts(2048)),
        (
            listing(meta={"n_ctx_train": 32_768}),
            {"default_generation_settings": {"n_ctx": 8192}},
            ServerFacts(8192),
        ),
        (
            listing(context_length=200_000, top_provider={"max_completion_tokens": 64_000}),
            None,
            ServerFacts(200_000, 64_000),
        ),
        ({"data": [{"id": "other", "max_model_len": 99_999}]}, None, ServerFacts(99_999)),
        ({"data": [{"id": "a", "max_model_len": 1}, {"id": "b"}]}, None, ServerFacts()),
        (listing(max_model_len=True, context_length="long", n_ctx=-5), None, ServerFacts()),
        (b"<html>", b"[" * 100, ServerFacts()),
        (None, None, ServerFacts()),
    ],
)
def test_what_servers_in_use_tell_is_read(models: Any, props: Any, facts: ServerFacts) -> None:
    assert ask_facts(telling(models=models, props=props), URL, "m") == facts


def test_a_profile_with_sizes_asks_nobody() -> None:
    whole = profile(context_tokens=4096, reply_tokens=512)

    def nobody(address: str) -> bytes | None:
        raise AssertionError(address)

    assert sized(whole, nobody, URL) is whole


def test_what_the_profile_says_goes_before_what_the_server_tells() -> None:
    fetch = telling(models=listing(max_model_len=8192))

    assert sized(profile(context_tokens=4096), fetch, URL).reply_tokens == 1024
    assert sized(profile(reply_tokens=100), fetch, URL).window_tokens == 8192
    assert sized(profile(reply_tokens=100), fetch, URL).sampling().reply_tokens == 100


def test_a_server_that_does_not_tell_is_an_error_with_what_to_do() -> None:
    with pytest.raises(ModelFault, match="does not tell") as silent:
        sized(profile(), telling(), URL)
    with pytest.raises(ModelFault, match="holds 600 tokens"):
        sized(profile(reply_tokens=2048), telling(models=listing(max_model_len=600)), URL)

    assert "context_tokens" in silent.value.next_step


def test_the_processor_fetches_from_its_own_server() -> None:
    with ScriptedServer([]) as server:
        server.tells["/props"] = {"default_generation_settings": {"n_ctx": 777}}
        with OpenAIProcessor(base_url=server.base_url, api_key=None, model="m", call_seconds=5) as processor:
            assert ask_facts(processor.fetch, processor.base_url, "m") == ServerFacts(777)
            assert processor.fetch("models") is None


def test_nobody_at_the_address_is_an_error_that_says_so() -> None:
    with (
        OpenAIProcessor(
            base_url="http://127.0.0.1:9/v1", api_key="sk-secret-key", model="m", call_seconds=5
        ) as one,
        pytest.raises(ModelUnreachable, match="no model server answers"),
    ):
        one.fetch("models")
