"""Images kept as archives in our own form, which is the same bytes whichever engine wrote them."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from lmac_sandbox.download_cache import disk_errors, partial_folder
from lmac_sandbox.errors import ImageError, ImageMismatch
from lmac_sandbox.image_archive import (
    LOCK_LABEL,
    NAME_LABEL,
    ArchiveFacts,
    extract_layers,
    read_archive,
    write_archive,
)
from lmac_sandbox.image_identity import identify_image
from lmac_sandbox.image_load import export_image, load_image

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine


def save_archive(archive_path: Path, target: Path, cache_folder: Path) -> str:
    """Write what an archive holds to a file of its own and return the image's id.

    Raises:
        ImageMismatch: the archive is damaged.
        ImageError: the target is there already, its folder is not, or the disk refuses.
    """
    if os.path.lexists(target):
        raise ImageError(f"{target} exists already", "name another file, or remove it")
    if not target.parent.is_dir():
        raise ImageError(f"{target}: there is no folder {target.parent}", "make it, or name another file")
    facts = read_archive(archive_path)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with disk_errors(cache_folder), partial_folder(cache_folder) as folder:
            _rewrite(archive_path, facts, folder, partial)
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return facts.image_id


def save_image(engine: Engine, reference: str, target: Path, cache_folder: Path) -> str:
    """Write an image of the engine to a file and return its id.

    Raises:
        ImageNotFound: the engine has none.
        ImageMismatch: what the engine gives is not the image of that id.
        ImageError: the target is there already, or the disk refuses.
        EngineFailure: the engine cannot read it back.
    """
    identity = identify_image(engine, reference)
    with disk_errors(cache_folder), partial_folder(cache_folder) as folder:
        exported = folder / "exported.tar"
        export_image(engine, identity.engine_id, exported)
        if (found := read_archive(exported).image_id) != identity.image_id:
            raise ImageMismatch(
                f"the engine gives {found} for image {identity.image_id}", "remove that image"
            )
        return save_archive(exported, target, cache_folder)


def load_archive(engine: Engine, archive_path: Path, image_id: str, cache_folder: Path) -> str:
    """Give the engine an archive of just this image, and return the engine's id for it.

    Raises:
        ImageMismatch: the archive is damaged, or holds another image; the engine then got nothing of it.
        ImageError: the disk refuses.
        EngineFailure: the engine refuses it.
    """
    facts = read_archive(archive_path)
    if facts.image_id != image_id:
        raise ImageMismatch(f"{archive_path} holds image {facts.image_id}, not {image_id}")
    with disk_errors(cache_folder), partial_folder(cache_folder) as folder:
        # Written anew: the engine may read a tar in another way, and a tag could take another image's place.
        clean = folder / "archive.tar"
        _rewrite(archive_path, facts, folder, clean)
        return load_image(engine, clean)


def _rewrite(archive_path: Path, facts: ArchiveFacts, folder: Path, target: Path) -> None:
    written = write_archive(target, facts.config, extract_layers(archive_path, facts, folder), _tag(facts))
    # The file may have changed since it was read.
    if written != facts.image_id or read_archive(target).layer_digests != facts.layer_digests:
        raise ImageMismatch(f"{archive_path} changed while it was read", "try again")


def _tag(facts: ArchiveFacts) -> str:
    """The tag of an image of ours; "" for any other."""
    name, lock = facts.labels.get(NAME_LABEL, ""), facts.labels.get(LOCK_LABEL, "")
    ours = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,99}", name) and re.fullmatch(r"[0-9a-f]{64}", lock)
    return f"lmac/{name}:{lock[:12]}" if ours and facts.recipe else ""
