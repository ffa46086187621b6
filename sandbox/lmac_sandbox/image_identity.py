"""Which image it is: the digest of its configuration, whatever id an engine shows for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmac_sandbox.errors import ImageNotFound
from lmac_sandbox.image_archive import (
    COMMAND,
    CREATED,
    LOCK_LABEL,
    NAME_LABEL,
    RECIPE_LABEL,
    WORKING_FOLDER,
    image_config,
)
from lmac_sandbox.owner import RUN

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """An image in an engine."""

    image_id: str
    """"sha256:" and the digest of its configuration: the same on every engine, and what configs name."""
    engine_id: str
    """What this engine calls it: with a containerd store the digest of a manifest, else the same."""
    layer_digests: tuple[str, ...]
    """Each "sha256:…" of an uncompressed layer, lowest first."""
    tags: tuple[str, ...]
    name: str
    """Of the definition that it was built from; "", as all that follows, when it was not built here."""
    lock_digest: str
    """Hex."""
    recipe: str
    """Hex; of all that decides its bytes."""


def identify_image(engine: Engine, reference: str) -> ImageIdentity:
    """Look at an image given by its id, the engine's id for it, or a tag.

    Raises:
        ImageNotFound: the engine has none.
        EngineFailure: the engine does not answer as it should.
    """
    from docker.errors import APIError

    with engine.call(f"look for image {reference}") as client:
        try:
            return _identity(client.images.get(reference).attrs)
        except APIError as error:
            # 400 is a reference that no image can have.
            if error.status_code not in (400, 404):
                raise
            missing = error
    # An engine with a containerd store finds nothing by the digest of a configuration.
    for image in our_images(engine) if reference.startswith("sha256:") else ():
        if image.image_id == reference:
            return image
    raise ImageNotFound(
        f"the engine has no image {reference}", "build and load it with `lmac setup`"
    ) from missing


def our_images(engine: Engine) -> list[ImageIdentity]:
    """All images in the engine that were built from a definition, by whatever LMAC; no stages of builds."""
    found = engine.images({RECIPE_LABEL: None})
    identities = (_still_there(engine, engine_id) for engine_id, labels in found.items() if RUN not in labels)
    return [identity for identity in identities if identity is not None and identity.recipe]


def _still_there(engine: Engine, engine_id: str) -> ImageIdentity | None:
    try:
        with engine.call("look at an image") as client:
            return _identity(client.images.get(engine_id).attrs)
    except ImageNotFound:
        return None


def _identity(attrs: Mapping[str, Any]) -> ImageIdentity:
    engine_id = str(attrs["Id"])
    layers = tuple(attrs["RootFS"].get("Layers") or ())
    config = attrs["Config"] or {}
    labels = config.get("Labels") or {}
    ours = RECIPE_LABEL in labels and _is_plain(attrs, config)
    environment = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    own = image_config(attrs["Architecture"], environment, labels, layers)
    return ImageIdentity(
        image_id=f"sha256:{hashlib.sha256(own).hexdigest()}" if ours else engine_id,
        engine_id=engine_id,
        layer_digests=layers,
        tags=tuple(attrs.get("RepoTags") or ()),
        name=labels.get(NAME_LABEL, "") if ours else "",
        lock_digest=labels.get(LOCK_LABEL, "") if ours else "",
        recipe=labels[RECIPE_LABEL] if ours else "",
    )


def _is_plain(attrs: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether `image_config` would write this configuration.

    What somebody builds upon an image of ours has its labels too.
    """
    said = {name for name, value in config.items() if value}
    return (
        attrs.get("Created") == CREATED
        and said <= {"Cmd", "Env", "Labels", "WorkingDir"}
        and tuple(config.get("Cmd") or ()) == COMMAND
        and config.get("WorkingDir") == WORKING_FOLDER
    )
