"""Progress of downloads and builds on a terminal, or as plain lines where there is none."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

Progress = Callable[[int, int, str], None]
"""Told of what is done, of how much, and what is being done."""

PLAIN_SECONDS = 10.0
"""Between two plain lines."""


def terminal_json(value: Any) -> str:
    """Indented, and ASCII only: a terminal obeys some of what JSON leaves as it is."""
    return json.dumps(value, indent=2, ensure_ascii=True)


@contextmanager
def shown_progress(title: str, in_bytes: bool = False) -> Iterator[Progress]:
    """A progress bar on stderr if it is a terminal, a line now and then otherwise."""
    click.echo(f"lmac: {title}", err=True)
    if not sys.stderr.isatty():
        yield _plain_lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (BarColumn(), amount, TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)


def _plain_lines() -> Progress:
    last = time.monotonic()

    def tell(done: int, total: int, what: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            click.echo(f"lmac: {100 * done // max(total, 1)} %: {what}", err=True)

    return tell
