"""`lmac clean`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

import click

from lmac.commands.terminal import terminal_json
from lmac.printable import printable
from lmac_sandbox import Engine, reap


def clean_engine(engine_url: str | None, hosts: Collection[str], as_json: bool) -> int:
    """Remove what dead owners of this machine left in the engine, and all that the named machines own."""
    with Engine.connect(engine_url) as engine:
        reaped = reap(engine, hosts)
    if as_json:
        click.echo(terminal_json(asdict(reaped)))
        return 0
    containers, volumes, images = reaped.containers, reaped.volumes, reaped.images
    click.echo(f"removed {containers} containers, {volumes} volumes and {images} unfinished images")
    for host, count in sorted(reaped.left_to_others.items()):
        # A label of somebody else's, so shown escaped.
        name = printable(host) or "a machine without a name"
        click.echo(f"left alone: {count} of {name}; `lmac clean --host NAME` removes those, living or not")
    return 0
