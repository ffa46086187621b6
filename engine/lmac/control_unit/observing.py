"""What came of an action: into the journal, and to the model."""

from __future__ import annotations

import json

from lmac.conversation import Conversation
from lmac.file_store import FileStore
from lmac.journal import Journal
from lmac.messages import Action, Observation
from lmac.tools import ToolResult

SHORT_CHARACTERS = 200
"""Longer values stand beside the journal, not in it."""


def observe(
    action: Action | None,
    result: ToolResult,
    call_id: str | None,
    store: FileStore,
    journal: Journal,
    conversation: Conversation,
) -> None:
    """Journal one observation and let the model hear it; `action` is None when nothing could be read."""
    journal.append(
        "observation",
        action=action.name if action else None,
        arguments=_kept_arguments(action, journal) if action else {},
        ok=result.ok,
        text=journal.keep(result.text),
        store_digest=store.digest(),
        **kept_changes(store, journal),
    )
    conversation.hear(Observation(result.text, result.ok, call_id))


def kept_changes(store: FileStore, journal: Journal) -> dict[str, object]:
    """Of an event: by path, the digest of what each file holds that changed; None for one that is gone."""
    changes = store.take_changes()
    if not changes:
        return {}
    kept = {
        path: None if content is None else journal.keep(content) for path, content in sorted(changes.items())
    }
    return {"files": kept}


def not_carried_out(action: Action) -> ToolResult:
    """Of what follows a failed action in the same reply."""
    return ToolResult(f"{action.name} was not carried out: an action before it failed.", ok=False)


def _kept_arguments(action: Action, journal: Journal) -> dict[str, object]:
    return {name: _kept(value, journal) for name, value in action.arguments.items()}


def _kept(value: object, journal: Journal) -> object:
    """The value, or the digest of its text; lists and objects, as of replacements, are kept as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= SHORT_CHARACTERS else {"sha256": journal.keep(text)}
