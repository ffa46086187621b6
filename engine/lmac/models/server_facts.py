"""What a server tells of the sizes of its model, where a profile leaves them to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from lmac.errors import ModelFault
from lmac.models.profile import ModelProfile

Fetch = Callable[[str], bytes | None]
"""The body at an address, relative to the API's own or whole; None where the server has nothing."""

CONTEXT_KEYS = (
    "n_ctx",
    "max_model_len",
    "loaded_context_length",
    "context_length",
    "context_window",
    "max_context_length",
)
"""Of llama.cpp, vLLM and SGLang, LM Studio, OpenRouter, Groq, Mistral; never what a model was made for."""
REPLY_KEYS = ("max_completion_tokens", "max_output_tokens")
REPLY_SHARE = 4
"""Of a window, the part that a reply gets where nobody says."""
MOST_REPLY_TOKENS = 8192


class _Models(BaseModel):
    data: list[dict[str, Any]] = []


class _Properties(BaseModel):
    default_generation_settings: dict[str, Any] = {}


_Object = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """None: not told."""

    context_tokens: int | None = None
    reply_tokens: int | None = None


def listed_model(fetch: Fetch, model: str) -> Mapping[str, Any]:
    """The entry of the model in the server's list; empty without one.

    Raises:
        ModelError: no server answers.
    """
    return _entry(_models(fetch("models")), model)


def llama_properties(fetch: Fetch, base_url: str) -> Mapping[str, Any]:
    """What llama.cpp tells of itself; empty of another server.

    Raises:
        ModelError: no server answers.
    """
    try:
        return _Object.validate_json(fetch(_root(base_url) + "/props") or b"{}")
    except ValidationError:
        return {}


def ask_facts(fetch: Fetch, base_url: str, model: str) -> ServerFacts:
    """Ask the list of models, then llama.cpp's properties.

    Raises:
        ModelError: no server answers.
    """
    entry = _entry(_models(fetch("models")), model)
    reply_tokens = _first(entry, REPLY_KEYS)
    if (context_tokens := _first(entry, CONTEXT_KEYS)) is None:
        settings = _properties(fetch(_root(base_url) + "/props")).default_generation_settings
        context_tokens = _first(settings, ("n_ctx",))
    return ServerFacts(context_tokens, reply_tokens)


def sized(profile: ModelProfile, fetch: Fetch, base_url: str) -> ModelProfile:
    """The profile with the sizes that it leaves to the server.

    Raises:
        ModelFault: the server does not tell its context, or the profile's reply does not fit into it.
        ModelError: no server answers.
    """
    if profile.server is None or (profile.context_tokens and profile.reply_tokens):
        return profile
    facts = ask_facts(fetch, base_url, profile.server.model)
    context_tokens = profile.context_tokens or facts.context_tokens
    if context_tokens is None:
        raise ModelFault(
            f"the model server at {base_url} does not tell how long its context is",
            f"write `context_tokens` into model profile {profile.name}",
        )
    share = min(context_tokens // REPLY_SHARE, MOST_REPLY_TOKENS)
    reply_tokens = profile.reply_tokens or min(facts.reply_tokens or share, share)
    if reply_tokens >= context_tokens:
        raise ModelFault(
            f"the model server at {base_url} holds {context_tokens} tokens, and model profile "
            f"{profile.name} allows replies of {reply_tokens}",
            "make `reply_tokens` of the profile smaller, or leave it to the server",
        )
    return profile.model_copy(update={"context_tokens": context_tokens, "reply_tokens": reply_tokens})


def _models(body: bytes | None) -> list[dict[str, Any]]:
    try:
        return _Models.model_validate_json(body or b"{}").data
    except ValidationError:
        return []


def _properties(body: bytes | None) -> _Properties:
    try:
        return _Properties.model_validate_json(body or b"{}")
    except ValidationError:
        return _Properties()


def _entry(models: list[dict[str, Any]], model: str) -> Mapping[str, Any]:
    """The entry of the model; of the only one whatever its name: servers of one model ignore it."""
    named = [entry for entry in models if entry.get("id") == model]
    chosen = named or (models if len(models) == 1 else [])
    return chosen[0] if chosen else {}


def _first(entry: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    nested = [value for value in entry.values() if isinstance(value, dict)]
    return next((size for key in keys for size in _sizes([entry, *nested], key)), None)


def _sizes(places: list[Mapping[str, Any]], key: str) -> Iterator[int]:
    for place in places:
        value = place.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
            yield value


def _root(base_url: str) -> str:
    """The server's own address, without the path of its API."""
    parts = urlsplit(base_url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))
