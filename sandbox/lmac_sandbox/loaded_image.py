"""What an image in the engine is made of: its layers, and the packages inside if it is one of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmac_sandbox.errors import ImageError
from lmac_sandbox.image_archive import RECIPE_LABEL
from lmac_sandbox.image_definition import LOCK_FILE, LockedPackage, read_lock
from lmac_sandbox.image_load import find_image

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

NAME_LABEL = "lmac.image"
LOCK_LABEL = "lmac.lock"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of an image. What it does not tell is "" or empty."""

    id: str
    """As the engine names it."""
    name: str
    """Of our definition that it was built from."""
    lock_digest: str
    recipe_digest: str
    """Of all that decides its bytes: definition, lock, our programs."""
    layers: tuple[str, ...]
    """Digests of the uncompressed layers, "sha256:…", the lowest first."""
    architecture: str
    packages: tuple[LockedPackage, ...]
    """What is inside, from the lock; empty where no lock of this checkout is the image's."""


def image_facts(engine: Engine, image_id: str, definitions: Path) -> ImageFacts:
    """Ask the engine for an image, and our definitions for its packages.

    Args:
        definitions: Holds a folder for each definition.

    Raises:
        ImageNotFound: the engine has none.
        EngineFailure: the engine does not answer as it should.
    """
    found = find_image(engine, image_id)
    with engine.call(f"look at image {image_id}") as client:
        attributes = client.images.get(found).attrs
    labels = (attributes.get("Config") or {}).get("Labels") or {}
    name, digest = labels.get(NAME_LABEL, ""), labels.get(LOCK_LABEL, "")
    return ImageFacts(
        id=found,
        name=name,
        lock_digest=digest,
        recipe_digest=labels.get(RECIPE_LABEL, ""),
        layers=tuple((attributes.get("RootFS") or {}).get("Layers") or ()),
        architecture=attributes.get("Architecture", ""),
        packages=_packages(name, digest, definitions),
    )


def _packages(name: str, digest: str, definitions: Path) -> tuple[LockedPackage, ...]:
    """Of the lock with that digest. An image may bear any label: its name is looked for, never joined."""
    for lock_path in definitions.glob(f"*/{LOCK_FILE}"):
        if lock_path.parent.name != name:
            continue
        try:
            lock = read_lock(lock_path.parent)
        except ImageError:
            return ()
        return lock.packages if lock.digest() == digest else ()
    return ()
