"""`lmac show`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from lmac.commands.terminal import terminal_json
from lmac.errors import ConfigError
from lmac.evaluation import Report, journalled
from lmac.journal import read_journal
from lmac.journal.folding import RunState, fold
from lmac.models.profile import ModelProfile
from lmac.printable import printable
from lmac.program.registry import InstructionRegistry
from lmac.report.result import RESULT_NAME, read_result
from lmac.report.summary import render_ledger, render_summary
from lmac.report.verifying import verify_run


def show_run(run: str, runs_folder: Path, as_json: bool) -> int:
    """Print a run's result; of a run without one, how far its journal goes."""
    folder = run_folder(run, runs_folder)
    if not (folder / RESULT_NAME).is_file():
        state = fold(read_journal(folder))
        click.echo(terminal_json(_state_fields(folder, state)) if as_json else _unfinished(folder, state))
        return 0
    result = read_result(folder)
    if result.journal_events:
        verify_run(folder, contents=False)
    state = fold(read_journal(folder))
    is_older = state.last is not None and 0 < result.journal_events <= state.last.seq
    if as_json:
        since = {"resumed_since": True} if is_older else {}
        click.echo(terminal_json(json.loads(result.as_json()) | since))
        return 0
    click.echo(render_summary(result))
    click.echo(_program(state.registry))
    if is_older:
        click.echo(
            "\nThis is what came of it before it was resumed. Since then it is running, or its process was"
        )
        click.echo(f"killed; then `lmac resume {folder.name}` goes on.")
    if told := render_ledger(result.requirements):
        click.echo(f"\n{told}")
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


def _program(registry: InstructionRegistry | None) -> str:
    """The program and what became of each instruction."""
    if registry is None:
        return ""
    lines = []
    for place, step in enumerate(registry.program.instructions):
        end = registry.ends[place].value if place < registry.counter else "open"
        lines.append(printable(f"{step.number or place + 1}. [{end}] {step.text}"))
    return "\n" + "\n".join(lines)


def _state_fields(folder: Path, state: RunState) -> dict[str, Any]:
    """What is told of a run that has no result, for programs."""
    registry, report, last = state.registry, state.report, state.last
    return {
        "run_id": folder.name,
        "outcome": "unfinished",
        "events": state.events,
        "last_event": last.kind if last else None,
        "last_event_at": last.at if last else None,
        "task": state.opening.get("task_name"),
        "requirements": {name: list(numbers) for name, numbers in state.ledger.items()},
        "instructions": [asdict(step) for step in registry.program.instructions] if registry else [],
        "ends": [end.value for end in registry.ends] if registry else [],
        "attempts": registry.attempts if registry else 0,
        "store_digest": state.store_digest,
        "files": dict(state.files),
        "checks": None if report is None else journalled(report),
        "acceptance": None if state.acceptance is None else journalled(state.acceptance),
        "delivered": None if state.delivered is None else dict(state.delivered),
        "calls": state.calls,
        "usage": asdict(state.usage),
        "cost": _cost(state),
        "seconds": state.seconds,
        "resumed": state.resumed,
    }


def _cost(state: RunState) -> float | None:
    """By the profile's prices; None when it names none, or is none that this version reads."""
    try:
        prices = ModelProfile.model_validate(state.opening["profile"]).prices
    except (KeyError, ValidationError):
        return None
    return prices.cost(state.usage) if prices else None


def _unfinished(folder: Path, state: RunState) -> str:
    last, registry = state.last, state.registry
    said = [
        f"{folder.name} has no result: it is running, or its process was killed.",
        f"Its journal holds {state.events} events; the last one is {last.kind if last else None}, at "
        f"{last.at if last else None}. Was it killed: `lmac resume {folder.name}` goes on there.",
    ]
    if state.ledger:
        counts = [f"{len(numbers)} {name}" for name, numbers in state.ledger.items()]
        said.append(f"Its requirements: {', '.join(counts)}.")
    if registry is not None:
        said.append(f"Instructions left: {registry.counter} of {len(registry.program.instructions)}.")
    checks = "not judged yet" if state.report is None else f"checks {_in_a_word(state.report)}"
    said.append(f"The store holds {len(state.files)} files, {checks}.")
    resumed = f"; it was resumed {state.resumed} times" if state.resumed else ""
    used = f"{state.usage.prompt_tokens} prompt and {state.usage.reply_tokens} reply tokens"
    said.append(f"{state.calls} calls of the model, {used}, in {state.seconds:.0f} s{resumed}.")
    return printable("\n".join(said), keep_newlines=True) + _program(registry)


def _in_a_word(report: Report) -> str:
    return "green" if report.green else "red"
