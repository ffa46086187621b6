"""What a model's server says of itself, asked once it has answered."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from lmac.errors import ModelError
from lmac.messages import Reply, Request
from lmac.models.server_facts import listed_model, llama_properties
from lmac.processor import RetryWatcher, ServerProcessor

WORDS_BYTES = 4096
"""Of each answer as JSON; of a longer one the digest is kept."""
VOLATILE = frozenset({"created", "permission"})
"""Of a model's entry: llama.cpp gives the present time."""
PROPERTIES = ("build_info", "model_alias", "total_slots")
NAME_CHARACTERS = 200

Tell = Callable[[Mapping[str, Any]], object]
"""Told what the server says of itself, in the form of `ServerPart`."""


class WitnessedProcessor(ServerProcessor):
    """Tells who answered, with the first reply and whenever that changes.

    Args:
        model: The name by which the server is asked for the model.
    """

    def __init__(self, processor: ServerProcessor, model: str, tell: Tell) -> None:
        self._processor = processor
        self._model = model
        self._tell = tell
        self._known: set[tuple[str, str]] = set()
        self._turn = threading.Lock()

    def ask(self, request: Request) -> Reply:
        """Raises: ModelError: of the processor."""
        reply = self._processor.ask(request)
        answered = reply.model[:NAME_CHARACTERS], reply.fingerprint[:NAME_CHARACTERS]
        with self._turn:
            first = not self._known
            if answered not in self._known:
                self._known.add(answered)
                named = [{"model": answered[0], "fingerprint": answered[1]}]
                self._tell({"answered": named, **(self._described() if first else {})})
        return reply

    @property
    def base_url(self) -> str:
        return self._processor.base_url

    def fetch(self, address: str) -> bytes | None:
        return self._processor.fetch(address)

    def watch_retries(self, watcher: RetryWatcher) -> None:
        self._processor.watch_retries(watcher)

    def close(self) -> None:
        self._processor.close()

    def _described(self) -> dict[str, Any]:
        """What it has at the addresses of its kind; one that says nothing there is as good."""
        listed: Mapping[str, Any] = {}
        properties: Mapping[str, Any] = {}
        with suppress(ModelError):
            listed = listed_model(self._processor.fetch, self._model)
            properties = llama_properties(self._processor.fetch, self._processor.base_url)
        kept = {name: properties[name] for name in PROPERTIES if name in properties}
        settings = properties.get("default_generation_settings")
        if isinstance(settings, dict) and "n_ctx" in settings:
            kept["n_ctx"] = settings["n_ctx"]
        if isinstance(template := properties.get("chat_template"), str):
            kept["chat_template_sha256"] = _sha256(template)
        entry = {name: value for name, value in listed.items() if name not in VOLATILE}
        return {"listed": _short(entry), "properties": _short(kept)}


def _short(words: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(words, sort_keys=True)
    return words if len(text) <= WORDS_BYTES else {"sha256": _sha256(text), "bytes": len(text)}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
