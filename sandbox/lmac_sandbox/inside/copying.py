"""What the job's user does with trusted code: make its folders, copy the store, put extra files down."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from .clearing import Room, Unclean, clear_writable, demand_clean
from .frames import Frame, FrameError, encode, parse
from .namespace import Caps as StoreCaps
from .namespace import Collision, Full, Namespace
from .paths import BadPath
from .places import (
    JOB_UID,
    JUDGE,
    JUDGE_FOLDERS,
    JUDGE_UID,
    SCRATCH,
    SCRATCH_FOLDERS,
    STORE,
    WORKING_FOLDERS,
)
from .processes import purge
from .spawn import Caps, Descriptors, fork_as_job
from .store_digest import StoreDigest, content_digest
from .tree import Tree


class CopyFailed(RuntimeError):
    """The job's user could not do it; the text says why."""


def claim_scratch() -> None:
    """Give each user its file system where the engine could not: as root, before anything else runs."""
    for folder, uid in ((SCRATCH, JOB_UID), (JUDGE, JUDGE_UID)):
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


def renew_copy(room: Room, file_bytes: int) -> Frame:
    """Remove all that earlier jobs left, then copy the store.

    Args:
        room: Of the box before its first job.

    Raises:
        Unclean: not all of it can be removed.
    """
    clear_writable()
    make_folders()
    demand_clean(room)
    return copy_store(file_bytes)


def copy_store(file_bytes: int) -> Frame:
    """Copy every regular file of the store into `subject`; the digest is of the bytes that were written."""
    digest, files = StoreDigest(), 0
    store, subject = Tree(STORE), Tree(WORKING_FOLDERS["subject"])
    for path in store.walk():
        content = store.read(path, file_bytes)
        if len(content) > file_bytes:
            raise CopyFailed(
                f"{path!r} of the store is larger than a file of a box may be ({file_bytes} bytes)"
            )
        subject.write(path, content)
        digest.put(path, content_digest(content))
        files += 1
    return {"digest": digest.hexdigest(), "files": files}


def place_files(files: Mapping[str, bytes], folder: str) -> Frame:
    """Write these files below the folder, replacing what stands there."""
    unlimited = max(map(len, files.values()), default=0) * len(files)
    Namespace(StoreCaps(unlimited, len(files) * 16, unlimited)).check(
        {path: len(content) for path, content in files.items()}
    )
    tree = Tree(folder)
    for path in sorted(files):
        tree.write(path, files[path])
    return {}


def as_job(action: Callable[[], Frame], caps: Caps, uid: int = JOB_UID) -> Frame:
    """Run trusted code in a process of the job's user, or of the one given, and hand back what it returns.

    Raises:
        CopyFailed: it could not, or its process died.
    """
    reader, writer = os.pipe()

    def body() -> int:
        try:
            answer = action()
        except (OSError, BadPath, Collision, Full, CopyFailed, Unclean) as error:
            answer = {"error": str(error)}
        os.write(writer, encode(answer)[4:])
        return 0

    nothing = os.open(os.devnull, os.O_RDWR)
    fork_as_job(body, Descriptors(nothing, nothing, 2, (writer,)), caps, uid)
    os.close(writer)
    os.close(nothing)
    with os.fdopen(reader, "rb") as answers:
        raw = answers.read()
    purge()
    return _answer(raw)


def _answer(raw: bytes) -> Frame:
    try:
        answer = parse(raw)
    except FrameError as error:
        raise CopyFailed("the process that copies died") from error
    if "error" in answer:
        raise CopyFailed(str(answer["error"]))
    return answer
