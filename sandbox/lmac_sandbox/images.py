"""Pinned images: lock, build, load, prove, keep. An image's id follows from its inputs, on every host."""

from __future__ import annotations

from lmac_sandbox.image_archive import NAME_LABEL, ArchiveFacts, read_archive
from lmac_sandbox.image_build import (
    ImageStanding,
    build_from_archive,
    build_image,
    expected_image_id,
    image_standing,
)
from lmac_sandbox.image_cache import BuiltImage, prune_cache
from lmac_sandbox.image_definition import lock_digest
from lmac_sandbox.image_identity import ImageIdentity, identify_image, our_images
from lmac_sandbox.image_keeping import load_archive, save_archive, save_image
from lmac_sandbox.image_load import find_image, load_image
from lmac_sandbox.image_lock import LockChange, refresh_lock
from lmac_sandbox.image_proof import ImageProof, ProvenLayer, prove_content, prove_image
from lmac_sandbox.image_prune import Pruned, prune_images

__all__ = [
    "NAME_LABEL",
    "ArchiveFacts",
    "BuiltImage",
    "ImageIdentity",
    "ImageProof",
    "ImageStanding",
    "LockChange",
    "ProvenLayer",
    "Pruned",
    "build_from_archive",
    "build_image",
    "expected_image_id",
    "find_image",
    "identify_image",
    "image_standing",
    "load_archive",
    "load_image",
    "lock_digest",
    "our_images",
    "prove_content",
    "prove_image",
    "prune_cache",
    "prune_images",
    "read_archive",
    "refresh_lock",
    "save_archive",
    "save_image",
]
