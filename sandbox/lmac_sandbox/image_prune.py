"""Removes images that no lock gives any more: ours alone, by what they are and never by a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmac_sandbox.errors import ImageNotFound
from lmac_sandbox.image_identity import ImageIdentity, our_images
from lmac_sandbox.image_load import remove_image

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be."""

    removed: tuple[ImageIdentity, ...]
    freed_bytes: int
    """Of layers that no image of the engine has any more."""
    in_use: tuple[ImageIdentity, ...]
    """Left alone: a container stands on it."""
    others: tuple[ImageIdentity, ...]
    """Left alone: somebody gave it a name of their own."""


def prune_images(
    engine: Engine,
    recipes: Collection[str],
    kept: Collection[str] = (),
    names: Collection[str] = (),
    dry_run: bool = False,
) -> Pruned:
    """Remove images of ours but for those of the recipes.

    Args:
        recipes: Of `Recipe.digest`: what the definitions give as they stand now.
        kept: Ids of images that stay, too; configuration's or engine's.
        names: Of definitions whose images are looked at; of all when empty.
        dry_run: Removes nothing, and says what would go.

    Raises:
        EngineFailure: the engine does not answer as it should.
    """
    old = [
        image
        for image in our_images(engine)
        if image.recipe not in recipes
        and not {image.image_id, image.engine_id} & set(kept)
        and (not names or image.name in names)
    ]
    others = [image for image in old if not all(_is_own_tag(tag, image.name) for tag in image.tags)]
    standing = _used_ids(engine)
    in_use = [image for image in old if image not in others and image.engine_id in standing]
    doomed = [image for image in old if image not in others and image not in in_use]
    sizes = _layer_sizes(engine, doomed)
    if not dry_run:
        # A container may have started meanwhile: the engine then refuses.
        removed = [image for image in doomed if remove_image(engine, image.engine_id)]
        in_use += [image for image in doomed if image not in removed]
        doomed = removed
    freed = _freed_bytes(engine, doomed, sizes)
    return Pruned(tuple(doomed), freed, tuple(in_use), tuple(others))


def _is_own_tag(tag: str, name: str) -> bool:
    """Whether loading gave it; some engines put the name of a registry before it."""
    return tag.removeprefix("localhost/").removeprefix("docker.io/").startswith(f"lmac/{name}:")


def _used_ids(engine: Engine) -> frozenset[str]:
    with engine.call("list containers") as client:
        return frozenset(item.get("ImageID", "") for item in client.api.containers(all=True))


def _layer_sizes(engine: Engine, images: Collection[ImageIdentity]) -> Mapping[str, int]:
    """Bytes by the layer's digest; each layer of ours is one line of the image's history."""
    sizes: dict[str, int] = {}
    for image in images:
        if set(image.layer_digests) <= sizes.keys():
            continue
        try:
            with engine.call("look at an image's layers") as client:
                newest_first = client.images.get(image.engine_id).history()
        except ImageNotFound:
            continue
        lines = [int(line.get("Size") or 0) for line in reversed(newest_first)]
        sizes |= dict(zip(image.layer_digests, lines, strict=False))
    return sizes


def _freed_bytes(engine: Engine, removed: Collection[ImageIdentity], sizes: Mapping[str, int]) -> int:
    gone = {image.engine_id for image in removed}
    layers = {layer for image in removed for layer in image.layer_digests}
    with engine.call("list images") as client:
        others = [item["Id"] for item in client.api.images(all=True) if item["Id"] not in gone]
    for engine_id in others if layers else ():
        try:
            with engine.call("look at an image") as client:
                layers -= set(client.images.get(engine_id).attrs["RootFS"].get("Layers") or ())
        except ImageNotFound:
            continue
    return sum(sizes.get(layer, 0) for layer in layers)
