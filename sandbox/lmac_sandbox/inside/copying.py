"""What trusted code does as the job's user: make its folders, copy the store, put extra files down."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from .clearing import Room, Unclean, clear_writable, demand_clean
from .frames import Frame
from .namespace import Caps as StoreCaps
from .namespace import Collision, Full, Namespace
from .paths import BadPath, shown
from .places import (
    JUDGE,
    JUDGE_FOLDERS,
    SCRATCH,
    SCRATCH_FOLDERS,
    STORE,
    WORKING_FOLDERS,
)
from .processes import purge
from .spawn import set_dumpable
from .store_digest import StoreDigest, content_digest
from .tree import Tree
from .users import BoxUsers


class CopyFailed(RuntimeError):
    """The job's user could not do it; the text says why."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What a copy is to have beside the store's own files."""

    files: Mapping[str, bytes]
    deleted: Sequence[str]


def claim_scratch(users: BoxUsers) -> None:
    """Give each user its file system where the engine could not: as root, before anything else runs."""
    for folder, uid in ((SCRATCH, users.job), (JUDGE, users.judge)):
        if os.stat(folder).st_uid != uid:
            os.chown(folder, uid, uid)


def make_folders() -> Frame:
    """The job's folders in its scratch."""
    return _make_own(SCRATCH, SCRATCH_FOLDERS)


def make_judge_folders() -> Frame:
    """The judge's folders in its own file system."""
    return _make_own(JUDGE, JUDGE_FOLDERS)


def _make_own(root: str, folders: tuple[str, ...]) -> Frame:
    # runc gives a tmpfs the mode of the image's folder, whatever the mount asks for.
    os.chmod(root, 0o700)
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    return {}


def renew_copy(room: Room, file_bytes: int, overlay: Overlay | None = None) -> Frame:
    """Remove all that earlier jobs left, then as `copy_store`.

    Args:
        room: Of the box before its first job.

    Raises:
        Unclean: not all of it can be removed.
    """
    clear_writable()
    make_folders()
    demand_clean(room)
    return copy_store(file_bytes, overlay)


def copy_store(file_bytes: int, overlay: Overlay | None = None) -> Frame:
    """Copy every regular file of the store into `subject`; the digest is of the bytes that were written.

    Args:
        overlay: Laid over the copy afterwards; the store is read-only here.
    """
    digest, paths = StoreDigest(), []
    with closing(Tree(STORE)) as store, closing(Tree(WORKING_FOLDERS["subject"])) as subject:
        for path in store.walk():
            digest.put(path, store.copy(path, subject, file_bytes))
            paths.append(path)
        told = {"digest": digest.hexdigest(), "files": len(paths)}
        if overlay is not None:
            _lay_over(overlay, subject, paths, digest, file_bytes)
            told["overlay_digest"] = digest.hexdigest()
    return told


def _lay_over(
    overlay: Overlay, subject: Tree, paths: Sequence[str], digest: StoreDigest, file_bytes: int
) -> None:
    """Change the copy, by the rules by which a store changes; how much fits is the scratch's to say."""
    unlimited = 2**53
    namespace = Namespace(StoreCaps(unlimited, unlimited, file_bytes))
    for path in paths:
        namespace.put(path, 0)
    for path in overlay.deleted:
        if path not in namespace:
            raise BadPath(f"{shown(path)} cannot be deleted: it is not there")
        subject.remove(path, namespace.remove(path))
        digest.remove(path)
    namespace.check({path: len(content) for path, content in overlay.files.items()})
    for path in sorted(overlay.files):
        subject.write(path, overlay.files[path])
        digest.put(path, content_digest(overlay.files[path]))


def place_files(files: Mapping[str, bytes], folder: str, file_bytes: int) -> Frame:
    """Write these files below the folder, replacing what stands there."""
    unlimited = max(map(len, files.values()), default=0) * len(files)
    Namespace(StoreCaps(unlimited, len(files) * 16, file_bytes)).check(
        {path: len(content) for path, content in files.items()}
    )
    with closing(Tree(folder)) as tree:
        for path in sorted(files):
            tree.write(path, files[path])
    return {}


def as_user(uid: int, action: Callable[[], Frame]) -> Frame:
    """Run trusted code with the rights of that user, and hand back what it returns.

    In the runner itself, for a fork would cost more than most copies: nobody else lives in the box meanwhile,
    and the kernel takes the capabilities away for as long as the effective user is not root.

    Raises:
        CopyFailed: it could not.
    """
    purge()
    os.setegid(uid)
    os.seteuid(uid)
    try:
        return action()
    except (OSError, BadPath, Collision, Full, Unclean) as error:
        raise CopyFailed(str(error)) from error
    finally:
        os.seteuid(0)
        os.setegid(0)
        # A change of users sets it to what the kernel finds best.
        set_dumpable(False)
