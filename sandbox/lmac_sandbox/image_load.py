"""Images in the engine: loaded from an archive, written to one, removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lmac_sandbox.errors import ImageError, ImageMismatch, ImageNotFound
from lmac_sandbox.image_archive import RECIPE_LABEL, ArchiveFacts, read_archive
from lmac_sandbox.image_identity import identify_image

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

MOST_EXPORTED_BYTES = 8 << 30


def load_image(engine: Engine, archive_path: Path) -> str:
    """Give an archive to the engine, unless it has that image already, and return the engine's id for it.

    Raises:
        ImageMismatch: the archive is damaged, or the engine's image has other layers.
        EngineFailure: the engine refuses it.
    """
    facts = read_archive(archive_path)
    found = engine_image(engine, facts)
    if found is not None:
        if facts.tag:
            # Its tag may have moved on to another build of this lock; without one a prune takes the image.
            with engine.call("tag the image") as client:
                repository, _, tag = facts.tag.rpartition(":")
                client.images.get(found).tag(repository, tag)
        return found
    with engine.call(f"load {archive_path}") as client, archive_path.open("rb") as stream:
        client.images.load(stream)
    loaded = engine_image(engine, facts)
    if loaded is None:
        message = f"the engine loaded {archive_path} but has no image with its layers ({facts.image_id})"
        raise ImageMismatch(message)
    return loaded


def engine_image(engine: Engine, facts: ArchiveFacts) -> str | None:
    """The engine's id of the image that an archive holds; None when it has none.

    Looked up by label: an engine with a containerd store names images by their manifest.
    """
    candidates = engine.images({RECIPE_LABEL: facts.recipe}) if facts.recipe else (facts.image_id,)
    for reference in candidates:
        try:
            identity = identify_image(engine, reference)
        except ImageNotFound:
            continue
        if identity.layer_digests == facts.layer_digests:
            return identity.engine_id
    return None


def find_image(engine: Engine, reference: str) -> str:
    """The engine's id of an image; see `identify_image`.

    Raises:
        ImageNotFound: the engine has none.
        EngineFailure: the engine does not answer as it should.
    """
    return identify_image(engine, reference).engine_id


def export_image(engine: Engine, engine_id: str, path: Path) -> None:
    """Write an image as the engine holds it, layer by layer, as a docker-archive in the engine's own form.

    Raises:
        ImageError: it is larger than `MOST_EXPORTED_BYTES`.
        EngineFailure: the engine refuses; a file of a layer that was damaged where the engine keeps it, too.
        OSError: the disk refuses.
    """
    left_bytes = MOST_EXPORTED_BYTES
    with path.open("wb") as archive:
        for chunk in _exported(engine, engine_id):
            left_bytes -= len(chunk)
            if left_bytes < 0:
                raise ImageError(f"image {engine_id} has more than {MOST_EXPORTED_BYTES:,} bytes")
            archive.write(chunk)


def _exported(engine: Engine, engine_id: str) -> Iterator[bytes]:
    # Apart from the writing: a full disk is no failure of the engine.
    with engine.call(f"read image {engine_id} layer by layer") as client:
        yield from client.api.get_image(engine_id)


def remove_image(engine: Engine, image_id: str) -> bool:
    """Remove an image and its tags; False when it is gone or in use, and left as it is.

    Raises:
        EngineFailure: the engine does not answer as it should.
    """
    from docker.errors import APIError

    with engine.call(f"remove image {image_id}") as client:
        try:
            for tag in client.images.get(image_id).tags or [image_id]:
                client.images.remove(tag)
        except APIError as error:
            if error.status_code not in (404, 409):
                raise
            return False
    return True
