"""Requests in the journal: each names its own new messages and the earlier request that holds the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import takewhile
from operator import is_
from pathlib import Path
from typing import Any

from lmac.journal import Event, Journal, read_blob, read_journal
from lmac.messages import Message, Request, Role, Sampling, ToolCall, ToolSpec


class RequestLog:
    """Writes `request` events that cost what is new in them, however long the window has become.

    An event has `after`, the `seq` of the request before it, and `kept`, how many of that one's messages
    it begins with; `messages` are the further ones, their texts and calls by digest: a reply's text is
    kept already.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._sent: tuple[Message, ...] = ()
        self._seq: int | None = None
        self._tools: tuple[tuple[ToolSpec, ...], str] = ((), "")

    def write(self, request: Request, purpose: str, estimated_tokens: int) -> None:
        """Journal a request that is about to be sent."""
        kept = _common(self._sent, request.messages)
        named: dict[str, object] = {
            "after": self._seq if kept else None,
            "kept": kept,
            "messages": [self._kept_message(message) for message in request.messages[kept:]],
            "tools": self._kept_tools(request.tools),
            "sampling": asdict(request.sampling),
        }
        if request.json_schema is not None:
            named["json_schema"] = self._journal.keep(json.dumps(request.json_schema))
        event = self._journal.append("request", purpose=purpose, estimated_tokens=estimated_tokens, **named)
        self._sent, self._seq = request.messages, event.seq

    def _kept_message(self, message: Message) -> dict[str, str]:
        kept = {"role": message.role.value, "text": self._journal.keep(message.text)}
        if message.calls:
            calls = [asdict(call) for call in message.calls]
            kept["calls"] = self._journal.keep(json.dumps(calls, ensure_ascii=False))
        return kept if message.call_id is None else {**kept, "call_id": message.call_id}

    def _kept_tools(self, tools: tuple[ToolSpec, ...]) -> str:
        if not tools:
            return ""
        if self._tools[0] is not tools:
            self._tools = (tools, self._journal.keep(json.dumps([asdict(tool) for tool in tools])))
        return self._tools[1]


def read_requests(folder: Path) -> Iterator[tuple[Event, Request]]:
    """Every request of a run as it was sent, with its event, from the run's folder alone.

    Raises:
        ConfigError: the journal or a kept content is missing or was changed.
    """
    sent: dict[int, tuple[Message, ...]] = {}
    for event in read_journal(folder):
        if event.kind != "request":
            continue
        data = event.data
        earlier = sent[data["after"]][: data["kept"]] if data["kept"] else ()
        further = tuple(_message(folder, kept) for kept in data["messages"])
        # Only the latest is ever referred to.
        sent = {event.seq: earlier + further}
        yield (
            event,
            Request(
                sent[event.seq],
                Sampling(**data["sampling"]),
                tuple(ToolSpec(**tool) for tool in _blob(folder, data["tools"])) if data["tools"] else (),
                _blob(folder, data["json_schema"]) if "json_schema" in data else None,
            ),
        )


def _blob(folder: Path, digest: str) -> Any:
    return json.loads(read_blob(folder, digest))


def _message(folder: Path, kept: dict[str, str]) -> Message:
    calls = tuple(ToolCall(**call) for call in _blob(folder, kept["calls"])) if "calls" in kept else ()
    text = read_blob(folder, kept["text"]).decode("utf-8")
    return Message(Role(kept["role"]), text, calls, kept.get("call_id"))


def _common(before: Sequence[Message], now: Sequence[Message]) -> int:
    """How many messages both begin with; the same objects, since windows keep theirs."""
    return sum(1 for _ in takewhile(bool, map(is_, before, now)))
