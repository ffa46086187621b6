"""The calls of a run, each with what a reader wants to know before opening it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lmac.report.chronicle import CallTold, Chronicle, Light
from lmac.report.chronicle.file_history import Change
from lmac.report.page.words import seconds_between

CHIPS_SHOWN = 6
NOTES_SHOWN = 3
MINUS = "\u2212"
QUIET_NOTES = (
    "the program",
    "candidates",
    "unstuck",
    "masked",
    "continued",
    "resumed",
    "from the response cache",
)
_TONES = {
    "instruction completed": "good",
    **dict.fromkeys(QUIET_NOTES, "quiet"),
}
"""Of notes that are no trouble."""
_CHANGING = frozenset({"write", "edit", "patch"})


def groups(chronicle: Chronicle) -> list[dict[str, Any]]:
    """Calls by their window, each with what a reader wants to know before opening it."""
    sizes = _Sizes(chronicle)
    found: list[dict[str, Any]] = []
    for call in chronicle.calls:
        window = chronicle.windows[call.window]
        if not found or found[-1]["window"] is not window:
            step = window.instruction
            text = chronicle.steps[step].text if step is not None and step < len(chronicle.steps) else ""
            found.append({"window": window, "text": text, "rows": []})
        found[-1]["rows"].append(_row(call, chronicle, sizes))
    return found


def _row(call: CallTold, chronicle: Chronicle, sizes: _Sizes) -> dict[str, Any]:
    chips = []
    for action in call.actions:
        stat = sizes.changed(action.changes[0]) if action.changes else ""
        if action.ok and not stat and action.name in _CHANGING:
            stat = "as before"
        name = action.name or "unreadable"
        chips.append({"name": name, "path": action.path, "ok": action.ok, "stat": stat})
    report = call.reports[-1] if call.reports else None
    failing = [check for check in report.checks if check.light is Light.RED] if report else []
    trouble = any(not action.ok for action in call.actions) or call.finish in ("", "length")
    flags = (
        *(("changed",) if call.changes else ()),
        *(("judged",) if report else ()),
        *(("trouble",) if trouble or any(note.kind == "model error" for note in call.notes) else ()),
    )
    return {
        "call": call,
        "chips": chips[:CHIPS_SHOWN],
        "more": max(len(chips) - CHIPS_SHOWN, 0),
        "report": report,
        "verdict": "; ".join(f"{check.name} {check.words}" for check in failing[:2]) if report else "",
        "notes": [(note.kind, _TONES.get(note.kind, "note")) for note in call.notes][:NOTES_SHOWN],
        "flags": " ".join(flags),
        "since": seconds_between(chronicle.opened_at, call.at),
    }


class _Sizes:
    """Lines that changes add and take away, each counted once."""

    def __init__(self, chronicle: Chronicle) -> None:
        self._contents = chronicle.contents
        self._known: dict[tuple[str, str], str] = {}

    def changed(self, change: Change) -> str:
        key = change.before, change.after
        if key not in self._known:
            # Lines that only moved count for nothing: an exact comparison costs the square of a hostile file.
            before, after = (
                Counter((self._contents.text(digest) or "").splitlines() if digest else ()) for digest in key
            )
            self._known[key] = f"+{(after - before).total()} {MINUS}{(before - after).total()}"
        return self._known[key]
