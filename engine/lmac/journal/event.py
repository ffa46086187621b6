"""One line of a journal: an event in its envelope, chained to every line before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

JOURNAL_NAME = "journal.jsonl"
JOURNAL_VERSION = 1
"""Of the events, as their schema describes them."""
ORIGIN = "0" * 64
"""What the first line is chained to."""
_DATA = b',"data":'
_CHAIN = b',"chain":"'
_TAIL_BYTES = len(_CHAIN) + len(ORIGIN) + 2


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, as the journal tells it."""

    seq: int
    """From 0, without gaps in one journal."""
    at: str
    """UTC, ISO 8601."""
    kind: str
    data: Mapping[str, Any]
    again: bool = False
    """It stands in the journal since an earlier time, and a run that is resumed has come by it once more."""


@dataclass(frozen=True, slots=True)
class Line:
    """An event as it stands in its file."""

    event: Event
    pack_bytes: int
    """Of the contents beside the journal when it was written: what it names lies before that."""
    data_json: bytes
    """The event's data, byte for byte."""
    chain: str
    """The sha256 of the chain before it and of its own text."""

    def encoded(self) -> bytes:
        """With its line feed."""
        return _body(self.event, self.pack_bytes, self.data_json) + b',"chain":"%b"}\n' % self.chain.encode()


def as_json(data: object) -> bytes:
    """In the one form that a journal has for it; lone surrogates become escapes, which JSON reads back."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def make_line(event: Event, pack_bytes: int, chain_before: str) -> Line:
    """The line of a new event."""
    data_json = as_json(event.data)
    chain = _chained(chain_before, _body(event, pack_bytes, data_json))
    return Line(event, pack_bytes, data_json, chain)


def read_line(line: bytes, chain_before: str) -> Line | None:
    """The line without its line feed; None for one that was changed, or does not follow."""
    body, tail = line[:-_TAIL_BYTES], line[-_TAIL_BYTES:]
    chain = _chained(chain_before, body)
    if tail != _CHAIN + chain.encode() + b'"}':
        return None
    try:
        fields = json.loads(line)
        event = Event(fields["seq"], fields["at"], fields["kind"], fields["data"])
        read = Line(event, fields["pack"], body[body.index(_DATA) + len(_DATA) :], chain)
        return read if _is_sound(read) and read.encoded() == line + b"\n" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_sound(line: Line) -> bool:
    """Whether the envelope holds what one does; whoever can count a chain can write any line.

    Raises:
        ValueError: its time is none.
    """
    event = line.event
    whole = all(type(number) is int and number >= 0 for number in (event.seq, line.pack_bytes))
    named = isinstance(event.kind, str) and isinstance(event.data, dict)
    return whole and named and datetime.fromisoformat(event.at).tzinfo is not None


def _body(event: Event, pack_bytes: int, data_json: bytes) -> bytes:
    envelope = {"seq": event.seq, "at": event.at, "kind": event.kind, "pack": pack_bytes}
    return as_json(envelope)[:-1] + _DATA + data_json


def _chained(chain_before: str, body: bytes) -> str:
    return hashlib.sha256(chain_before.encode() + body).hexdigest()
