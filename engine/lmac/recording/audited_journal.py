"""A recording that is only read, and held against a run that does the same again."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lmac import dependencies
from lmac.errors import Divergence
from lmac.journal import Effect, Event, Journal, Listener, Policy, as_bytes
from lmac.journal.tape import SURROUNDINGS
from lmac.recording.audit import Audit, Difference, What

COMPARED_OF_ORDER = ("checks",)
"""Of `run_opened`: what today's files say. All else that is compared is read from the recording."""
PASSED_OVER = SURROUNDINGS | frozenset(dependencies.KINDS)
"""Packages are those that the recording pins, and are given to boxes when these execute."""
MOST_DIFFED_LINES = 2000
"""Of each side, after what both begin with."""
MOST_SHOWN_LINES = 400
SHOWN_CHARACTERS = 400
_OF_KIND = {
    "run_opened": What.ORDER,
    "started_from": What.ORDER,
    "standing_suites": What.ORDER,
    "request": What.PROMPT,
    "reply": What.REPLY,
    "model_error": What.REPLY,
    "retry": What.REPLY,
    "exported": What.STORE,
}


class RecordingOver(Divergence):
    """The recording ends here, before its run did: there is nothing left to compare with."""


@dataclass(slots=True)
class _Composed:
    """The last request as its events tell it."""

    messages: tuple[Mapping[str, str], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    def next(self, data: Mapping[str, Any]) -> _Composed:
        kept = self.messages[: data["kept"]] if data["kept"] else ()
        return _Composed((*kept, *data["messages"]), data)


class AuditedJournal(Journal):
    """Gives what was recorded to whoever asks, and tells an audit of whatever comes about otherwise.

    Nothing is written. Where the recording ends before its run did, `RecordingOver` is raised.
    """

    audit: Audit
    found: Event
    """The event that `recorded` gave last."""
    _by_seq: Mapping[int, Event]
    _new: dict[str, bytes]
    """Contents that the recording does not hold, by digest."""
    _asked: _Composed
    _asked_of_old: _Composed

    @classmethod
    def opened(cls, folder: Path, audit: Audit, listener: Listener | None = None) -> Self:
        """Take up a recording.

        Raises:
            ConfigError: there is none, or it was changed.
        """
        policy = Policy(
            goes_on=False, passed_over=PASSED_OVER, heard=lambda divergence: self._hear(divergence)
        )
        self = cls.reopened(folder, listener, policy)
        self.audit = audit
        self._by_seq = {event.seq: event for event in self.recording}
        self._new = {}
        self._asked, self._asked_of_old = _Composed(), _Composed()
        return self

    @property
    def is_whole(self) -> bool:
        """Whether the recording goes to its run's end."""
        return bool(self.recording) and self.recording[-1].kind == "run_closed"

    def append(self, kind: str, **data: Any) -> Event:
        if kind == "run_opened":
            data = {**self.recording[0].data, **{name: data[name] for name in COMPARED_OF_ORDER}}
        if kind == "request":
            self._asked = self._asked.next(data)
        try:
            event = super().append(kind, **data)
        except RecordingOver:
            raise
        except Divergence as divergence:
            if divergence.field == "kind":
                # Whatever would come after it has nothing to be compared with.
                self._hear(divergence)
            raise
        if event.again:
            self.audit.events += 1
            if kind == "request":
                self.audit.requests += 1
                self._asked_of_old = self._asked_of_old.next(event.data)
        return event

    def keep(self, content: bytes | str) -> str:
        digest = super().keep(content)
        if not self._pack.holds(digest):
            self._new[digest] = as_bytes(content)
        return digest

    def read(self, digest: str) -> bytes:
        new = self._new.get(digest)
        return super().read(digest) if new is None else new

    def recorded(self, effect: Effect, *kinds: str, past: Collection[str] = (), **asked: object) -> Event:
        try:
            found = super().recorded(effect, *kinds, past=past, **asked)
        except Divergence as divergence:
            if divergence.field == "kind":
                self._hear(divergence)
            raise
        if found is None:
            raise self._over()
        self.found = found
        return found

    def _go_on(self, tape: object, kind: str) -> None:
        raise self._over()

    def _over(self) -> RecordingOver:
        return RecordingOver("the recording ends here")

    def _hear(self, divergence: Divergence) -> None:
        what = _OF_KIND.get(divergence.kind, What.DECISION)
        if divergence.field.endswith("store_digest") or divergence.field == "judged_from":
            what = What.STORE
        if divergence.field == "kind":
            what = What.DECISION
        detail: tuple[str, ...] = ()
        if what is What.PROMPT:
            event = self._by_seq[divergence.seq]
            before, now = self._asked_of_old.next(event.data), self._asked
            detail = tuple(unified_diff(list(self._lines(before)), list(self._lines(now))))
        told = (self._told(divergence.recorded), self._told(divergence.now))
        self.audit.hear(Difference(divergence.seq, divergence.kind, what, divergence.field, *told, detail))

    def _told(self, value: object) -> str:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
        return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."

    def _lines(self, asked: _Composed) -> Iterator[str]:
        """The request as a text."""
        for message in asked.messages:
            yield f"[{message['role']}]"
            yield from self._text(message["text"]).splitlines()
            if calls := message.get("calls"):
                yield f"calls: {self._text(calls)}"
        for name in ("tools", "json_schema"):
            if digest := asked.data.get(name):
                yield f"[{name}]"
                yield from json.dumps(json.loads(self.read(digest)), indent=1).splitlines()
        yield f"[sampling] {json.dumps(asked.data['sampling'], sort_keys=True)}"

    def _text(self, digest: str) -> str:
        return self.read(digest).decode("utf-8", "replace")


def unified_diff(recorded: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    """The lines of a diff; of long texts, what comes first."""
    alike = 0
    while alike < min(len(recorded), len(now)) and recorded[alike] == now[alike]:
        alike += 1
    # Two lines that both have show where it is.
    first = max(alike - 2, 0)
    pair = (recorded[first : first + MOST_DIFFED_LINES], now[first : first + MOST_DIFFED_LINES])
    lines = difflib.unified_diff(*pair, "recorded", "now", n=2, lineterm="")
    for number, line in enumerate(lines):
        if number == MOST_SHOWN_LINES:
            yield "..."
            return
        yield line
