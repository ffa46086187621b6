"""`lmac clean`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from lmac_sandbox import Engine, reap


def clean_engine(engine_url: str | None, as_json: bool) -> int:
    """Remove what dead owners of this machine left in the engine."""
    with Engine.connect(engine_url) as engine:
        reaped = reap(engine)
    if as_json:
        click.echo(json.dumps(asdict(reaped)))
    else:
        click.echo(f"removed {reaped.containers} containers and {reaped.volumes} volumes of dead runs")
    return 0
