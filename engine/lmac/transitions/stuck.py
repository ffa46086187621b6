"""Whether a window goes round in circles, folded turn by turn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from lmac.messages import Reply

WARMTH_STEP = 0.1
"""Added to the temperature for each turn that brought nothing new. Source: L2MAC, appendix."""


class Sign(StrEnum):
    """What shows that a turn brought nothing new."""

    SAME_REPLY = "the same reply came again"
    SAME_RESULTS = "the same actions had the same results"
    UNDONE = "edits undid each other"
    SAME_FAULTS = "other files failed in the same way"


@dataclass(frozen=True, slots=True)
class Watch:
    """The turns of one window, as far as they tell whether it goes round in circles.

    Calls are known by name and arguments, never by their ids: a server makes a new id each time.
    """

    seen: frozenset[str] = frozenset()
    """Replies, actions with their results, and store digests of the turns before the last one."""
    reply: str = ""
    """Of the last turn, as are the next three; "" before the first."""
    acts: frozenset[str] = frozenset()
    opening_digest: str = ""
    store_digest: str = ""
    faults: frozenset[str] = frozenset()
    """What the last evaluation found wrong."""
    same_faults: bool = False
    """Whether the evaluation before it, of other files, had found just that."""
    idle: int = 0
    """Turns in a row, the last one not among them, that brought nothing new."""
    heat: int = 0
    """Steps by which the temperature is raised."""

    def replied(self, reply: Reply, store_digest: str) -> Watch:
        """Begin a turn: what the one before it brought is settled."""
        calls = [[call.name, _canonical(call.arguments_json)] for call in reply.calls]
        seen = self.seen if not self.reply else self.seen | self.acts | {self.reply, self.opening_digest}
        return replace(
            self,
            seen=seen,
            reply=_digest("reply", reply.text, calls),
            acts=frozenset(),
            opening_digest=store_digest,
            store_digest=store_digest,
            same_faults=False,
            idle=self.stalled,
        )

    def acted(self, name: str, arguments: Mapping[str, Any], result: str, store_digest: str) -> Watch:
        """Note one action of the turn with what came of it."""
        act = _digest("act", name, [arguments, result, store_digest])
        return replace(self, acts=self.acts | {act}, store_digest=store_digest)

    def judged(self, faults: Sequence[str], store_digest: str) -> Watch:
        """Note what an evaluation found wrong with the files."""
        found = frozenset(faults)
        same = bool(found) and found == self.faults and self.store_digest != self.opening_digest
        return replace(self, faults=found, same_faults=same, store_digest=store_digest)

    @property
    def signs(self) -> tuple[Sign, ...]:
        """Why the last turn brought nothing new; empty when it did."""
        if not self.reply:
            return ()
        found = []
        if self.reply in self.seen:
            found.append(Sign.SAME_REPLY)
        if self.acts and self.acts <= self.seen:
            found.append(Sign.SAME_RESULTS)
        if self.store_digest != self.opening_digest and self.store_digest in self.seen:
            found.append(Sign.UNDONE)
        if self.same_faults:
            found.append(Sign.SAME_FAULTS)
        return tuple(found)

    @property
    def stalled(self) -> int:
        """Turns in a row, the last one included, that brought nothing new."""
        return self.idle + 1 if self.signs else 0

    def tempered(self) -> Watch:
        """Warmer by a step after a turn that brought nothing new, cooler by one after another one.

        Source: L2MAC, appendix (the temperature rises while messages repeat, up to 1.0, then goes back).
        """
        return replace(self, heat=self.heat + 1 if self.signs else max(self.heat - 1, 0))


def _canonical(arguments_json: str) -> object:
    try:
        return json.loads(arguments_json)
    except (ValueError, RecursionError):
        return arguments_json


def _digest(kind: str, name: str, parts: object) -> str:
    """Arguments in any order are the same arguments."""
    text = json.dumps([kind, name, parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
