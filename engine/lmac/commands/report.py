"""`lmac report`."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path

import click

from lmac.commands.show import run_folder
from lmac.disk import full_disk_named
from lmac.errors import ConfigError
from lmac.printable import printable
from lmac.report.page import report_page

PAGE_NAME = "report.html"


def write_report(run: str, runs_folder: Path, output: Path | None, opens: bool) -> int:
    """Write the page of a run, say where it is, and show it in the user's browser if that is wanted."""
    folder = run_folder(run, runs_folder)
    page = report_page(folder)
    path = folder / PAGE_NAME if output is None else output
    _write(path, page)
    click.echo(printable(str(path)))
    if opens:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _write(path: Path, page: str) -> None:
    """Whole or not at all: an earlier page is replaced, a link in its place is not followed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with full_disk_named(path.parent):
        try:
            with partial.open("x", encoding="utf-8") as file:
                file.write(page)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise ConfigError(
                f"{path}: {error.strerror}", "name a file in a folder of yours by -o"
            ) from error
