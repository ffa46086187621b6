"""`lmac files`."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from lmac.commands.show import run_folder
from lmac.commands.terminal import terminal_json
from lmac.errors import ConfigError
from lmac.printable import printable
from lmac.report.files_of_run import files_of_run


def show_files(run: str, path: str | None, runs_folder: Path, as_json: bool) -> int:
    """List the files of a run, or print one of them; on a terminal nothing in it is obeyed."""
    files = files_of_run(run_folder(run, runs_folder))
    if path is not None:
        _print(files, path, run)
        return 0
    if as_json:
        listed = [
            {"path": name, "bytes": len(content), "lines": len(content.splitlines())}
            for name, content in files.items()
        ]
        click.echo(terminal_json(listed))
        return 0
    for name, content in files.items():
        click.echo(printable(f"{len(content.splitlines()):>7} lines {len(content):>9} bytes  {name}"))
    if not files:
        click.echo("lmac: this run has no files", err=True)
    return 0


def _print(files: dict[str, bytes], path: str, run: str) -> None:
    if path not in files:
        near = difflib.get_close_matches(path[:200], files, n=1)
        hint = f"did you mean {near[0]}?" if near else f"`lmac files {run}` lists them"
        raise ConfigError(f"{path!r}: no such file in this run", hint)
    if not sys.stdout.isatty():
        # Into a file or a program goes what the run delivered, byte for byte.
        sys.stdout.buffer.write(files[path])
        sys.stdout.buffer.flush()
        return
    text = files[path].decode("utf-8", "replace")
    shown = "\t".join(printable(part, keep_newlines=True) for part in text.split("\t"))
    click.echo(shown, nl=not shown.endswith("\n"))
