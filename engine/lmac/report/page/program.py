"""The program of a run: its instructions, and the ledger of its requirements."""

from __future__ import annotations

from typing import Any

from lmac.report.chronicle import Chronicle, Light
from lmac.report.chronicle.told import Told


def requirements(chronicle: Chronicle, result: Told) -> list[dict[str, Any]]:
    """Each requirement with its state at the end, and what shows it."""
    covering: dict[int, list[int]] = {}
    for step in chronicle.steps:
        for number in step.requirements:
            covering.setdefault(number, []).append(step.number)
    final = {entry.count("number"): entry for entry in result.inners("requirements")}
    listed = []
    for requirement in chronicle.requirements:
        entry = final.get(requirement.number)
        state = entry.text("state") if entry else requirement.state
        shown_by = entry.texts("shown_by") if entry else requirement.shown_by
        listed.append(
            {
                "number": requirement.number,
                "text": requirement.text,
                "state": state if state in ("open", "built", "shown") else "open",
                "steps": covering.get(requirement.number, []),
                "shown_by": shown_by[:3],
                "more": max(len(shown_by) - 3, 0),
            }
        )
    return listed


def steps(chronicle: Chronicle) -> list[dict[str, Any]]:
    """Each instruction with what became of it and what it cost."""
    rows = []
    for index, step in enumerate(chronicle.steps):
        windows = {place for place, window in enumerate(chronicle.windows) if window.instruction == index}
        calls = [call for call in chronicle.calls if call.window in windows]
        rows.append(
            {
                "step": step,
                "light": {"completed": Light.GREEN, "open": Light.GREY}.get(step.end, Light.RED),
                "attempts": len(windows),
                "first": calls[0].number if calls else 0,
                "calls": len(calls),
                "tokens": sum(call.prompt_tokens + call.reply_tokens for call in calls),
                "seconds": sum(call.seconds for call in calls),
            }
        )
    return rows
