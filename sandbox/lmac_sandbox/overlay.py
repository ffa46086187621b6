"""Changes to a store that are tried before anybody writes them: laid over a box's copy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from lmac_sandbox.errors import PathRejected, StoreFull
from lmac_sandbox.inside.frames import Frame
from lmac_sandbox.inside.paths import BadPath, check_path
from lmac_sandbox.limits import MIB

Overlay = Mapping[str, bytes | None]
"""Path to content; None deletes the file."""

OVERLAY_BYTES = 16 * MIB
"""All contents together: they travel in one frame, in base64."""
OVERLAY_FILES = 4096


def overlay_summary(overlay: Overlay) -> Frame:
    """For the keeper: bytes and sha256 of each file; contents need not travel to be told apart.

    Raises:
        PathRejected: a path breaks a rule.
        StoreFull: the overlay is larger than any may be.
    """
    demand_overlay(overlay)
    files = {
        path: [len(content), hashlib.sha256(content).hexdigest()]
        for path, content in overlay.items()
        if content is not None
    }
    return {"files": files, "deleted": _deleted(overlay)}


def overlay_frame(overlay: Overlay) -> Frame:
    """For a box: the contents.

    Raises:
        PathRejected, StoreFull: as `overlay_summary`.
    """
    demand_overlay(overlay)
    files = {
        path: base64.b64encode(content).decode("ascii")
        for path, content in overlay.items()
        if content is not None
    }
    return {"files": files, "deleted": _deleted(overlay)}


def demand_overlay(overlay: Overlay) -> None:
    """Refuse here what no frame could carry, or what no store could hold.

    Raises:
        PathRejected, StoreFull: as `overlay_summary`.
    """
    size_bytes = sum(len(content) for content in overlay.values() if content is not None)
    if size_bytes > OVERLAY_BYTES or len(overlay) > OVERLAY_FILES:
        raise StoreFull(
            f"an overlay of {len(overlay)} files has {size_bytes} bytes; "
            f"at most {OVERLAY_FILES} files with {OVERLAY_BYTES} bytes"
        )
    try:
        for path in overlay:
            check_path(path)
    except BadPath as error:
        raise PathRejected(str(error)) from error


def _deleted(overlay: Overlay) -> list[str]:
    return [path for path, content in overlay.items() if content is None]
