"""The store of a run, through the one container that may write it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from lmac_sandbox.answers import Answer
from lmac_sandbox.errors import EngineFailure, FileMissing, PathRejected, StoreFull, WireError
from lmac_sandbox.inside.frames import PROTOCOL
from lmac_sandbox.inside.keeper import MESSAGE_CHARACTERS
from lmac_sandbox.inside.paths import PATH_BYTES, shown
from lmac_sandbox.launch import Program, launch
from lmac_sandbox.limits import MIB, StoreLimits
from lmac_sandbox.overlay import Overlay, overlay_summary
from lmac_sandbox.policy import keeper_options

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine
    from lmac_sandbox.owner import Owner
    from lmac_sandbox.volume import Volume

_BATCH_BYTES = 4 * MIB
"""Contents that go into one frame, unless a single file is larger."""
_BATCH_FILES = 1024


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the store."""

    path: str
    size_bytes: int
    sha256: str


class Keeper:
    """Reads and writes one store; safe to use from several threads. Obtained by `start`."""

    def __init__(self, program: Program, limits: StoreLimits, call_seconds: float) -> None:
        self._program = program
        self._limits = limits
        self._call_seconds = call_seconds

    @classmethod
    def start(
        cls,
        engine: Engine,
        volume: Volume,
        image_id: str,
        owner: Owner,
        limits: StoreLimits,
        call_seconds: float = 30.0,
    ) -> Keeper:
        """Start the keeper's container and open the store on the volume, with the files that it holds.

        Another keeper may still hold the volume, so that the files of a run outlive a keeper whose channel
        broke. What that one writes later, this one learns by `reopen` only.

        Args:
            call_seconds: For the start, and for each request after it.

        Raises:
            SandboxError: it did not come up.
        """
        options = keeper_options(limits, image_id, volume.name, owner.labels("keeper"))
        program = launch(engine, options, "keeper", PROTOCOL, call_seconds)
        keeper = cls(program, limits, call_seconds)
        try:
            keeper.reopen()
        except BaseException:
            keeper.close()
            raise
        return keeper

    def reopen(self) -> str:
        """Look again at the files on the volume, once no other keeper writes; returns the store's digest."""
        return self._ask("open", **asdict(self._limits)).digest("digest")

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the container; the volume empties once no box uses it either."""
        self._program.remove()

    def write(self, path: str, content: bytes) -> str:
        """Replace one file atomically and return the digest of the whole store.

        Raises:
            PathRejected: the path breaks a rule or clashes with another; nothing was written.
            StoreFull: a limit would be passed; nothing was written.
        """
        return self.write_many({path: content})

    def write_many(self, files: Mapping[str, bytes]) -> str:
        """Replace these files and return the digest of the whole store.

        All paths and limits are checked before the first file is written; each file is replaced atomically.

        Raises:
            PathRejected: a path breaks a rule or clashes with another; nothing was written.
            StoreFull: a limit would be passed; nothing was written.
        """
        sizes = {path: len(content) for path, content in files.items()}
        self._refuse_long(sizes)
        groups = list(batches(sizes))
        if len(groups) > 1:
            self._ask("check", sizes=sizes)
        digest = ""
        for batch in groups or [[]]:
            contents = {path: base64.b64encode(files[path]).decode("ascii") for path in batch}
            digest = self._ask("write", files=contents).digest("digest")
        return digest

    def read(self, path: str) -> bytes:
        """One file's content.

        Raises:
            FileMissing: the store has no such file.
        """
        return self.read_many([path])[path]

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The contents of these files, all in one answer: for few and small ones.

        Raises:
            FileMissing: the store has not all of them.
        """
        wanted = list(paths)
        contents = self._ask("read", paths=wanted).part("files")
        return {path: contents.content(path, self._limits.file_bytes) for path in wanted}

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        """Path and content of every file, sorted by path; memory holds some of them at a time."""
        sizes = {entry.path: entry.size_bytes for entry in self.list()}
        for batch in batches(sizes):
            yield from self.read_many(batch).items()

    def delete(self, path: str) -> str:
        """Remove one file, and folders that it leaves empty; returns the digest of the whole store.

        Raises:
            FileMissing: the store has no such file.
        """
        return self._ask("delete", path=path).digest("digest")

    def overlay_digest(self, overlay: Overlay) -> str:
        """The digest that the store would have with these changes; nothing is written.

        Raises:
            PathRejected: a path breaks a rule or clashes with another.
            StoreFull: a limit would be passed.
            FileMissing: it deletes a file that the store has not.
        """
        return self._ask("overlay", **overlay_summary(overlay)).digest("digest")

    def list(self) -> tuple[FileEntry, ...]:
        """Every file, sorted by path."""
        return tuple(_entry(item) for item in self._ask("list").items("entries"))

    def digest(self) -> str:
        """The digest of the whole store, as `store_digest` defines it."""
        return self._ask("digest").digest("digest")

    def _refuse_long(self, sizes: Mapping[str, int]) -> None:
        """Here and not in the container: a file that no frame can carry would break the channel for good."""
        for path, size_bytes in sizes.items():
            if size_bytes > self._limits.file_bytes:
                raise StoreFull(
                    f"{shown(path)} has {size_bytes} bytes, a file may have {self._limits.file_bytes}"
                )

    def _ask(self, operation: str, **fields: object) -> Answer:
        answer = Answer(
            self._program.channel.request({"op": operation, **fields}, self._call_seconds), "keeper"
        )
        if "refusal" in answer:
            _refuse(answer.text("refusal", 20), answer.text("message", MESSAGE_CHARACTERS))
        return answer


def _refuse(kind: str, message: str) -> NoReturn:
    match kind:
        case "path":
            raise PathRejected(message)
        case "full":
            raise StoreFull(message)
        case "missing":
            raise FileMissing(message)
        case _:
            raise EngineFailure(f"the keeper failed: {message}")


def batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Paths, sorted, in groups whose contents fit into one frame each."""
    batch: list[str] = []
    batch_bytes = 0
    for path in sorted(sizes):
        if batch and (batch_bytes + sizes[path] > _BATCH_BYTES or len(batch) == _BATCH_FILES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(path)
        batch_bytes += sizes[path]
    if batch:
        yield batch


def _entry(item: object) -> FileEntry:
    match item:
        case [str(path), int(size_bytes), str(sha256)] if len(path) <= PATH_BYTES and len(sha256) == 64:
            return FileEntry(path, size_bytes, sha256)
        case _:
            raise WireError("answer of the keeper: no entry of a list")
