"""`lmac logs` and `lmac watch`: a run's progress from its journal, past or live."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from lmac.commands.following import follow
from lmac.commands.live_display import live_display
from lmac.commands.show import run_folder, show_run
from lmac.errors import ExitCode
from lmac.journal import Event, read_journal
from lmac.printable import printable, reader_may_go
from lmac.progress import progress_listener
from lmac.report.result import told_result


def show_logs(run: str, runs_folder: Path, follows: bool, as_json: bool) -> int:
    """Print the events of a run's journal as lines, on stdout."""
    folder = run_folder(run, runs_folder)
    events = follow(folder) if follows else read_journal(folder)
    last = _tell(events, folder, as_json)
    if follows and last != "run_closed":
        return _gone(folder)
    return ExitCode.OK


def watch_run(run: str, runs_folder: Path, as_json: bool) -> int:
    """Follow a run to its end and say what came of it; returns the run's exit code."""
    folder = run_folder(run, runs_folder)
    if as_json or not sys.stdout.isatty():
        last = _tell(follow(folder), folder, as_json)
    else:
        with live_display(folder.name) as tell:
            last = ""
            for event in follow(folder):
                tell(event)
                last = event.kind
    if last != "run_closed":
        return _gone(folder)
    if not as_json:
        click.echo()
        show_run(str(folder), runs_folder, as_json=False)
    return exit_code_of_run(folder)


def exit_code_of_run(folder: Path) -> int:
    """What `lmac run` ended with, or would have; a run without a readable result is a fault."""
    told = told_result(folder)
    try:
        return ExitCode(told.count("exit_code")) if "exit_code" in told else ExitCode.FAULT
    except ValueError:
        return ExitCode.FAULT


def _gone(folder: Path) -> int:
    """Say that nobody carries the run out any more, and that it has not ended."""
    said = (
        f"lmac: the process that carried {folder.name} out is gone, and the run has not ended\n"
        f"  next: `lmac resume {shlex.quote(str(folder))}` carries it on"
    )
    with reader_may_go(sys.stderr):
        click.echo(printable(said, keep_newlines=True), err=True)
    return ExitCode.INTERRUPTED


def _tell(events: Iterable[Event], folder: Path, as_json: bool) -> str:
    """Print each event; returns the kind of the last one."""
    listener = progress_listener(folder.name, sys.stdout, as_json)
    last = ""
    for event in events:
        listener(event)
        last = event.kind
    return last
