"""`lmac diff`."""

from __future__ import annotations

from pathlib import Path

import click

from lmac.commands.show import run_folder
from lmac.commands.terminal import terminal_json
from lmac.run_diff import compare_runs, read_run, render_difference


def diff_runs(run_a: str, run_b: str, runs_folder: Path, stat: bool, as_json: bool) -> int:
    """Print how two runs differ; returns 0 when they are the same, 1 when not.

    Raises:
        ConfigError: there is no such run, or what it recorded was changed.
    """
    a, b = (read_run(run_folder(run, runs_folder)) for run in (run_a, run_b))
    found = compare_runs(a, b, lines=not stat)
    click.echo(terminal_json(found.as_plain()) if as_json else render_difference(found, stat))
    return 0 if found.same else 1
