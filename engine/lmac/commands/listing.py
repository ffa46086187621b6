"""`lmac list`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import click

from lmac.commands.following import is_written
from lmac.commands.terminal import terminal_json
from lmac.errors import ConfigError
from lmac.journal import JOURNAL_NAME, read_journal
from lmac.printable import printable
from lmac.report.chronicle.told import Told
from lmac.report.result import told_result

PLAIN_WIDTH = 160
"""Of a table that goes into no terminal."""
LEAST_TASK_WIDTH = 12
NUMBERS_FROM = 5
"""The first column that is set to the right."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One run of the runs folder."""

    run_id: str
    task: str
    model: str
    outcome: str
    """As the run says; `running`, `not ended` or `unreadable` where it does not."""
    started_at: str
    """UTC, ISO 8601."""
    seconds: float | None
    tokens: int
    cost: float | None
    exit_code: int | None


def list_runs(runs_folder: Path, as_json: bool) -> int:
    """Print every run of a folder, the latest first."""
    folders = runs_folder.iterdir() if runs_folder.is_dir() else ()
    runs = [_listed(folder) for folder in folders if (folder / JOURNAL_NAME).is_file()]
    runs.sort(key=lambda run: (run.started_at, run.run_id), reverse=True)
    if as_json:
        click.echo(terminal_json([asdict(run) for run in runs]))
    elif runs:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH
        click.echo(_table(runs, width))
    else:
        click.echo(printable(f"lmac: no runs in {runs_folder}/ yet: `lmac run TASK` makes one"), err=True)
    return 0


def _listed(folder: Path) -> Listed:
    result = told_result(folder)
    try:
        # A journal is long: of a run that has ended the first line is enough.
        events = iter(read_journal(folder))
        first = next(events, None)
        opening = Told(first.data if first else None)
        usage = result.inner("usage")
        tokens = usage.count("prompt_tokens") + usage.count("reply_tokens")
        outcome = result.text("outcome")
        if not outcome:
            outcome = "running" if is_written(folder) else "not ended"
            for event in events:
                if event.kind == "reply":
                    usage = Told(event.data).inner("usage")
                    tokens += usage.count("prompt_tokens") + usage.count("reply_tokens")
    except ConfigError:
        return Listed(folder.name, "", "", "unreadable", "", None, 0, None, None)
    task = result.text("task") or opening.text("task_name") or opening.text("task").strip().split("\n")[0]
    return Listed(
        run_id=folder.name,
        task=task.lstrip("# "),
        model=result.text("model") or opening.inner("profile").text("name"),
        outcome=outcome,
        started_at=first.at if first and isinstance(first.at, str) else "",
        seconds=result.number("seconds"),
        tokens=tokens,
        cost=result.number("cost"),
        exit_code=result.count("exit_code") if "exit_code" in result else None,
    )


def _table(runs: Sequence[Listed], width: int) -> str:
    head = ("run", "task", "model", "outcome", "when", "tokens", "cost")
    rows = [
        (
            run.run_id,
            run.task,
            run.model,
            run.outcome,
            _when(run.started_at),
            f"{run.tokens:,}",
            "" if run.cost is None else f"{run.cost:.4g}",
        )
        for run in runs
    ]
    # A line is a run: whatever its names hold, they take up neither lines nor columns of others.
    lines_of_cells = [head, *([printable(" ".join(cell[:400].split())) for cell in row] for row in rows)]
    widths = [max(len(cells[column]) for cells in lines_of_cells) for column in range(len(head))]
    spare = width - sum(widths) - 2 * (len(head) - 1)
    if spare < 0:
        widths[1] = max(widths[1] + spare, LEAST_TASK_WIDTH)
    lines = []
    for cells in lines_of_cells:
        placed = []
        for column, (cell, wide) in enumerate(zip(cells, widths, strict=True)):
            cut = cell if len(cell) <= wide else f"{cell[: wide - 1]}…"
            placed.append(cut.rjust(wide) if column >= NUMBERS_FROM else cut.ljust(wide))
        lines.append("  ".join(placed).rstrip())
    return "\n".join(lines)


def _when(at: str) -> str:
    """In the user's own time."""
    try:
        return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return "?"
