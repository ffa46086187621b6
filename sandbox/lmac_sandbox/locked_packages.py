"""The packages inside an image of ours, from the lock that it was built from."""

from __future__ import annotations

from pathlib import Path

from lmac_sandbox.errors import ImageError
from lmac_sandbox.image_definition import LOCK_FILE, LockedPackage, read_lock
from lmac_sandbox.image_identity import ImageIdentity


def packages_inside(image: ImageIdentity, definitions: Path) -> tuple[LockedPackage, ...]:
    """Empty where no lock among the definitions is the image's.

    Args:
        definitions: Holds a folder for each definition.
    """
    # An image may bear any label: its name is looked for, never joined to a path.
    for lock_path in definitions.glob(f"*/{LOCK_FILE}"):
        if lock_path.parent.name != image.name:
            continue
        try:
            lock = read_lock(lock_path.parent)
        except ImageError:
            return ()
        return lock.packages if lock.digest() == image.lock_digest else ()
    return ()
