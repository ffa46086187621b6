"""`lmac show`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lmac.commands.terminal import terminal_json
from lmac.errors import ConfigError
from lmac.journal import Event, read_journal
from lmac.printable import printable
from lmac.program.ledger import RequirementState
from lmac.report.result import RESULT_NAME, read_result
from lmac.report.summary import render_ledger, render_summary
from lmac.report.verifying import verify_run


def show_run(run: str, runs_folder: Path, as_json: bool) -> int:
    """Print a run's result; of a run without one, how far its journal goes."""
    folder = run_folder(run, runs_folder)
    if (folder / RESULT_NAME).is_file():
        result = read_result(folder)
        if result.journal_events:
            verify_run(folder, contents=False)
        click.echo(terminal_json(json.loads(result.as_json())) if as_json else render_summary(result))
        if not as_json:
            click.echo(_program(folder))
            if told := render_ledger(result.requirements):
                click.echo(f"\n{told}")
        return 0
    events = list(read_journal(folder))
    last = events[-1] if events else None
    state = {
        "run_id": folder.name,
        "outcome": "unfinished",
        "events": len(events),
        "last_event": last.kind if last else None,
        "last_event_at": last.at if last else None,
        "requirements": _requirements(events),
    }
    click.echo(terminal_json(state) if as_json else _unfinished(state))
    return 0


def run_folder(run: str, runs_folder: Path) -> Path:
    """The folder of a run, by its id or its own path.

    Raises:
        ConfigError: there is none.
    """
    for folder in (runs_folder / run, Path(run)):
        if folder.is_dir():
            return folder
    known = sorted((path.name for path in runs_folder.glob("*/") if path.is_dir()), reverse=True)
    hint = f"runs here: {', '.join(known[:5])}" if known else "no runs here yet: `lmac run TASK`"
    raise ConfigError(f"run {run!r}: no such run under {runs_folder}/", hint)


def _program(folder: Path) -> str:
    """The program and what became of each instruction, from the journal."""
    steps: list[tuple[int, str]] = []
    ends: dict[int, str] = {}
    for event in read_journal(folder):
        if event.kind in ("program", "program_revised"):
            listed = enumerate(event.data["instructions"], start=1)
            steps = [(step.get("number") or place, step["text"]) for place, step in listed]
        elif event.kind == "instruction_end":
            ends[event.data["instruction"]] = event.data["end"]
    lines = [
        printable(f"{number}. [{ends.get(index, 'open')}] {text}")
        for index, (number, text) in enumerate(steps)
    ]
    return "\n" + "\n".join(lines) if lines else ""


def _requirements(events: Sequence[Event]) -> dict[str, list[int]]:
    """Numbers of requirements by their state, as far as the run is; none before its program."""
    told = (event.data for event in reversed(events) if event.kind == "ledger")
    last = next(told, {})
    return {state.value: list(last.get(state.value, ())) for state in RequirementState} if last else {}


def _unfinished(state: dict[str, Any]) -> str:
    said = (
        f"{state['run_id']} has no result: it is running, or its process was killed.\n"
        f"Its journal holds {state['events']} events; the last one is {state['last_event']}, "
        f"at {state['last_event_at']}. Was it killed: `lmac resume {state['run_id']}` goes on there."
    )
    counts = [f"{len(numbers)} {name}" for name, numbers in state["requirements"].items()]
    requirements = f"\nIts requirements: {', '.join(counts)}." if counts else ""
    return printable(said + requirements, keep_newlines=True)
