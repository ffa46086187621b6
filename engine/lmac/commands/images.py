"""`lmac images`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from lmac.commands.terminal import shown_progress
from lmac.errors import SandboxFailure
from lmac.inputs import cache_folder, image_folder, resolve_image
from lmac_sandbox import Engine, ImageNotFound, build_image, load_image, refresh_lock


def build(name: str, engine_url: str | None, environment: Mapping[str, str]) -> int:
    """Build from the lock, load, print the id."""
    with Engine.connect(engine_url) as engine:
        image_folder(name)
        click.echo(image_in_engine(engine, name, cache_folder(environment)))
    return 0


def lock(name: str, engine_url: str | None, environment: Mapping[str, str]) -> int:
    """Write the lock anew and say what changed."""
    cache = cache_folder(environment) / "images"
    with (
        Engine.connect(engine_url) as engine,
        shown_progress(f"resolving the packages of image {name}") as tell,
    ):
        change = refresh_lock(image_folder(name), cache, engine, progress=tell)
    for title, packages in (
        ("added", change.added),
        ("removed", change.removed),
        ("changed", change.changed),
    ):
        for package in packages:
            click.echo(f"{title}: {package}")
    if not change:
        click.echo("nothing changed")
    return 0


def image_in_engine(engine: Engine, reference: str, cache: Path) -> str:
    """The engine's id of an image; a shipped one is built and loaded if need be.

    Raises:
        ImageError: it cannot be built.
        ImageNotFound: an id that the engine does not have.
    """
    try:
        return resolve_image(engine, reference, cache)
    except (ImageNotFound, SandboxFailure):
        if reference.startswith("sha256:"):
            raise
    with shown_progress(f"building the sandbox image {reference}") as tell:
        built = build_image(image_folder(reference), cache / "images", engine, tell)
    return load_image(engine, built.archive_path)
