"""Pinned images: lock, build, load, find. An image's id follows from its inputs, on every host."""

from __future__ import annotations

from lmac_sandbox.image_build import BuiltImage, build_image, expected_image_id
from lmac_sandbox.image_load import find_image, load_image
from lmac_sandbox.image_lock import LockChange, refresh_lock

__all__ = [
    "BuiltImage",
    "LockChange",
    "build_image",
    "expected_image_id",
    "find_image",
    "load_image",
    "refresh_lock",
]
