"""Removes images with packages for generated code that no run uses, and what the cache keeps of such ones."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmac_sandbox.dependency_cache import NOTES, PACKAGES, noted_layer
from lmac_sandbox.dependency_image import LAYER_LABEL, REPOSITORY
from lmac_sandbox.download_cache import disk_errors
from lmac_sandbox.errors import ImageNotFound
from lmac_sandbox.image_load import remove_image

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

UNUSED_SECONDS = 30 * 86_400.0
"""After which a layer or a wheel of the cache counts as forgotten."""


@dataclass(frozen=True, slots=True)
class DependencyImage:
    """An image of ours with a layer of packages on top."""

    engine_id: str
    layers: tuple[str, ...]
    """Each "sha256:…", lowest first."""
    tags: tuple[str, ...]
    size_bytes: int
    """Of the layer on top."""


@dataclass(frozen=True, slots=True)
class PrunedDependencies:
    """What was removed, or would be."""

    removed: tuple[str, ...]
    """The engine's ids."""
    freed_bytes: int
    """Of layers that no other image with dependencies has."""
    in_use: tuple[str, ...]
    """Left alone: a run stands on it, or on the image below it."""


def prune_dependency_images(
    engine: Engine, cache_folder: Path, kept: Collection[str] = (), dry_run: bool = False
) -> PrunedDependencies:
    """Remove images with dependencies but for those that runs stand on, or that this cache used of late.

    A run that asks for the same packages again gets the same image again, from wheels.

    Args:
        cache_folder: Of `DependencyProvider`.
        kept: Ids of images that stay, too.
        dry_run: Removes nothing, and says what would go.

    Raises:
        EngineFailure: the engine does not answer as it should.
        ImageError: the cache cannot be read.
    """
    with disk_errors(cache_folder):
        recent = {f"sha256:{layer}" for layer in _recent_layers(cache_folder)}
    found = list(_dependency_images(engine))
    old = [
        image
        for image in found
        if image.layers[-1] not in recent and image.engine_id not in kept and _is_own(image.tags)
    ]
    # Of the image below, too: a run's keeper stands on it, whichever packages its boxes have in between.
    standing = list(_standing_layers(engine))
    in_use = [image for image in old if any(image.layers[: len(used)] == used for used in standing)]
    doomed = [image for image in old if image not in in_use]
    if not dry_run:
        # A container may have started meanwhile: the engine then refuses.
        removed = [image for image in doomed if remove_image(engine, image.engine_id)]
        in_use += [image for image in doomed if image not in removed]
        doomed = removed
    left = {image.layers[-1] for image in found if image not in doomed}
    freed = {image.layers[-1]: image.size_bytes for image in doomed if image.layers[-1] not in left}
    return PrunedDependencies(
        tuple(image.engine_id for image in doomed),
        sum(freed.values()),
        tuple(image.engine_id for image in in_use),
    )


def prune_dependency_cache(cache_folder: Path, dry_run: bool = False) -> int:
    """Remove layers' notes and wheels that were not used of late; returns how many bytes that frees.

    Raises:
        ImageError: the disk refuses.
    """
    freed_bytes = 0
    with disk_errors(cache_folder):
        for path in (*(cache_folder / NOTES).glob("*"), *(cache_folder / PACKAGES).glob("*")):
            if _is_recent(path):
                continue
            freed_bytes += path.stat().st_size
            if not dry_run:
                path.unlink(missing_ok=True)
    return freed_bytes


def _recent_layers(cache_folder: Path) -> Iterator[str]:
    for path in (cache_folder / NOTES).glob("*"):
        if _is_recent(path) and (layer := noted_layer(path)):
            yield layer


def _is_recent(path: Path) -> bool:
    return time.time() - path.stat().st_mtime < UNUSED_SECONDS


def _dependency_images(engine: Engine) -> Iterator[DependencyImage]:
    for engine_id, labels in engine.images({LAYER_LABEL: None}).items():
        try:
            with engine.call("look at an image with dependencies") as client:
                image = client.images.get(engine_id)
                newest_first = image.history()
        except ImageNotFound:
            continue
        layers = tuple(image.attrs["RootFS"].get("Layers") or ())
        # What somebody builds upon such an image has its label, and another layer on top.
        if layers and layers[-1] == f"sha256:{labels[LAYER_LABEL]}":
            size_bytes = int(newest_first[0].get("Size") or 0) if newest_first else 0
            yield DependencyImage(engine_id, layers, tuple(image.attrs.get("RepoTags") or ()), size_bytes)


def _is_own(tags: Iterable[str]) -> bool:
    """Whether loading gave all of them; some engines put the name of a registry before it."""
    heads = ("", "localhost/", "docker.io/", "docker.io/library/")
    return all(tag.startswith(tuple(f"{head}{REPOSITORY}:" for head in heads)) for tag in tags)


def _standing_layers(engine: Engine) -> Iterator[tuple[str, ...]]:
    """The layers of each image that a container stands on."""
    with engine.call("list containers") as client:
        used = {item.get("ImageID", "") for item in client.api.containers(all=True)}
    for engine_id in sorted(used - {""}):
        try:
            with engine.call("look at an image that is used") as client:
                layers = client.images.get(engine_id).attrs["RootFS"].get("Layers")
        except ImageNotFound:
            continue
        if layers:
            yield tuple(layers)
