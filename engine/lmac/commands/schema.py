"""`lmac schema`."""

from __future__ import annotations

import sys

import click

from lmac.batch.schema import SCHEMAS
from lmac.commands.terminal import terminal_json
from lmac.printable import reader_may_go


def print_schema(name: str) -> int:
    """Print one JSON Schema."""
    with reader_may_go(sys.stdout):
        click.echo(terminal_json(SCHEMAS[name]()))
    return 0
