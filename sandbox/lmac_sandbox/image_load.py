"""Images in the engine: loaded from an archive, found by id, removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lmac_sandbox.errors import ImageMismatch, ImageNotFound
from lmac_sandbox.image_archive import RECIPE_LABEL, ArchiveFacts, read_archive

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine


def load_image(engine: Engine, archive_path: Path) -> str:
    """Give an archive to the engine, unless it has that image already, and return the engine's id for it.

    Raises:
        ImageMismatch: the archive is damaged, or the engine's image has other layers.
        EngineFailure: the engine refuses it.
    """
    facts = read_archive(archive_path)
    found = _engine_id(engine, facts)
    if found is not None:
        # Its tag may have moved on to another build of this lock; without one a prune takes the image.
        with engine.call("tag the image") as client:
            repository, _, tag = facts.tag.rpartition(":")
            client.images.get(found).tag(repository, tag)
        return found
    with engine.call(f"load {archive_path}") as client, archive_path.open("rb") as stream:
        client.images.load(stream)
    loaded = _engine_id(engine, facts)
    if loaded is None:
        message = f"the engine loaded {archive_path} but has no image with its layers ({facts.image_id})"
        raise ImageMismatch(message)
    return loaded


def _engine_id(engine: Engine, facts: ArchiveFacts) -> str | None:
    """The engine's id of the image with these layers.

    Looked up by label: an engine with a containerd store names images by their manifest.
    """
    filters = {"label": f"{RECIPE_LABEL}={facts.recipe}"}
    with engine.call("list images") as client:
        for image in client.images.list(filters=filters):
            if tuple(image.attrs["RootFS"]["Layers"]) == facts.layer_digests:
                return str(image.id)
    return None


def find_image(engine: Engine, reference: str) -> str:
    """The engine's id of an image given by id or tag.

    Raises:
        ImageNotFound: the engine has none.
        EngineFailure: the engine does not answer as it should.
    """
    from docker.errors import APIError

    with engine.call(f"look for image {reference}") as client:
        try:
            return str(client.images.get(reference).id)
        except APIError as error:
            # 400 is a reference that no image can have.
            if error.status_code not in (400, 404):
                raise
            message = f"the engine has no image {reference}"
            raise ImageNotFound(message, "build and load it with `lmac setup`") from error


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
