"""`lmac clean`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict

import click

from lmac.commands.images import tell_pruned_dependencies
from lmac.commands.terminal import terminal_json
from lmac.inputs import cache_folder
from lmac.printable import printable
from lmac_sandbox import Engine, prune_dependency_images, reap


def clean_engine(
    engine_url: str | None, hosts: Collection[str], as_json: bool, environment: Mapping[str, str]
) -> int:
    """Remove what dead owners of this machine left in the engine, and all that the named machines own."""
    with Engine.connect(engine_url) as engine:
        reaped = reap(engine, hosts)
        # After it: what the dead had started keeps no image any more.
        dependencies = prune_dependency_images(engine, cache_folder(environment) / "dependencies")
    if as_json:
        click.echo(terminal_json({**asdict(reaped), "dependencies": asdict(dependencies)}))
        return 0
    containers, volumes, images = reaped.containers, reaped.volumes, reaped.images
    click.echo(f"removed {containers} containers, {volumes} volumes and {images} unfinished images")
    if dependencies.removed:
        tell_pruned_dependencies(dependencies)
    for host, count in sorted(reaped.left_to_others.items()):
        # A label of somebody else's, so shown escaped.
        name = printable(host) or "a machine without a name"
        click.echo(f"left alone: {count} of {name}; `lmac clean --host NAME` removes those, living or not")
    return 0
