"""Replies kept by what was asked: the same request to the same model gets the same one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lmac.errors import ConfigError
from lmac.messages import Finish, Reply, Request, ToolCall, Usage
from lmac.processor import RetryWatcher, ServerProcessor
from lmac.processor.recorded import request_digest

CACHE_BYTES = 1024 * 2**20
"""All entries together; the ones that nobody asked for longest go first."""
KEPT_SHARE = 0.9
"""Of that, what stays when room is made."""
ENTRY_BYTES = 8 * 2**20
"""A longer reply is not kept."""
WHOLE = (Finish.STOP, Finish.TOOL_CALLS)
"""How a reply ends that nothing cut."""
SUFFIX = ".reply"
_OWN = re.compile(r"[0-9a-f]{64}\.reply|\.[0-9a-f]{64}\.reply\.\d+\.[0-9a-f]{8}")
"""Names of entries, and of those that are being written."""

OnFault = Callable[[str, str], object]
"""Told of what is wrong with the cache: the entry's path, and the fault."""


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    call_id: str
    name: str
    arguments_json: str


class _Usage(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    prompt_tokens: int
    reply_tokens: int
    cached_tokens: int


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1]
    key: str
    text: str
    finish: Literal["stop", "tool_calls"]
    calls: list[_Call]
    usage: _Usage
    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of the cache."""

    path: Path
    size_bytes: int
    asked_ns: int
    """When it was last asked for, or written."""


class ReplyCache:
    """A folder of replies; safe between processes and threads, and of no use to one who changes it.

    Args:
        folder: Made if it is not there.
        most_bytes: All entries together, as nearly as several processes keep it.
        on_fault: Told of entries that cannot be used; nobody else hears of them.

    Raises:
        ConfigError: the folder cannot be made or written to.
    """

    def __init__(
        self,
        folder: Path,
        most_bytes: int = CACHE_BYTES,
        on_fault: OnFault = lambda _path, _fault: None,
    ) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._on_fault = on_fault
        self._turn = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._bytes = sum(found.size_bytes for found in self._entries())
        except OSError as error:
            raise ConfigError(
                f"response cache {folder}: {error.strerror}",
                "name a folder of yours by `response_cache`, or leave the cache out",
            ) from error

    def get(self, key: str) -> Reply | None:
        """The reply that was put under this key; None without one, or when it cannot be used."""
        path = self._path(key)
        try:
            content = _read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._on_fault(str(path), error.strerror or type(error).__name__)
            return None
        reply, fault = _reply_of(content, key)
        if reply is None:
            self._on_fault(str(path), fault)
            return None
        with suppress(OSError):
            # The time of the last use decides what goes when there is no room.
            os.utime(path)
        return reply

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply. A disk that is full, or a folder that is gone, costs the entry and no more."""
        content = _encoded(key, reply)
        if len(content) > ENTRY_BYTES:
            return
        path = self._path(key)
        partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("xb") as file:
                file.write(content)
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            self._on_fault(str(path), error.strerror or type(error).__name__)
            return
        with self._turn:
            self._bytes += len(content)
            if self._bytes > self._most_bytes:
                self._make_room()

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}{SUFFIX}"

    def _make_room(self) -> None:
        """Remove the entries that nobody asked for longest; one process at a time, the others go on."""
        with suppress(OSError), (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = sorted(self._entries(), key=lambda found: found.asked_ns)
            self._bytes = sum(found.size_bytes for found in entries)
            for found in entries:
                if self._bytes <= self._most_bytes * KEPT_SHARE:
                    break
                found.path.unlink(missing_ok=True)
                self._bytes -= found.size_bytes

    def _entries(self) -> Iterator[_Found]:
        """Entries, and what a process that died left of one.

        Nothing else that lies there, since the oldest are removed: the folder is the user's to name, and git
        keeps what it has in folders of such names, too.
        """
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if not _OWN.fullmatch(path.name):
                continue
            with suppress(FileNotFoundError):
                told = path.lstat()
                yield _Found(path, told.st_size, told.st_mtime_ns)


class CachingProcessor(ServerProcessor):
    """Asks the cache first, and the processor for what is not in it.

    A request that leaves its sampling to chance (warm, and without a seed) may be asked several times in one
    run for several replies: each time counts as another request.

    Args:
        model: What tells this model from others, beside the request.
    """

    def __init__(self, processor: ServerProcessor, cache: ReplyCache, model: Mapping[str, object]) -> None:
        self._processor = processor
        self._cache = cache
        self._model = model
        self._asked: Counter[str] = Counter()
        self._turn = threading.Lock()

    def ask(self, request: Request) -> Reply:
        """Raises: ModelError: of the processor; failures are not kept, nor are replies that were cut."""
        key = self._key(request)
        if (kept := self._cache.get(key)) is not None:
            return replace(kept, cached=True)
        reply = self._processor.ask(request)
        if reply.finish in WHOLE and (reply.text or reply.calls):
            self._cache.put(key, reply)
        return reply

    @property
    def base_url(self) -> str:
        return self._processor.base_url

    def fetch(self, address: str) -> bytes | None:
        return self._processor.fetch(address)

    def watch_retries(self, watcher: RetryWatcher) -> None:
        self._processor.watch_retries(watcher)

    def close(self) -> None:
        self._processor.close()

    def _key(self, request: Request) -> str:
        digest = request_digest(request)
        time = 0
        if request.sampling.seed is None and request.sampling.temperature > 0:
            with self._turn:
                time = self._asked[digest]
                self._asked[digest] += 1
        named = json.dumps([digest, self._model, time], sort_keys=True)
        return hashlib.sha256(named.encode()).hexdigest()


def _read(path: Path) -> bytes:
    """At most one byte more than an entry may have; a link or a pipe is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(ENTRY_BYTES + 1)


def _encoded(key: str, reply: Reply) -> bytes:
    """A line with the digest of what follows, then that."""
    fields = {
        "version": 1,
        "key": key,
        "text": reply.text,
        "finish": reply.finish.value,
        "calls": [asdict(call) for call in reply.calls],
        "usage": asdict(reply.usage),
        "model": reply.model,
        "seconds": float(reply.seconds),
    }
    body = json.dumps(fields, sort_keys=True).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _reply_of(content: bytes, key: str) -> tuple[Reply | None, str]:
    """The reply of an entry, or what is wrong with it."""
    if len(content) > ENTRY_BYTES:
        return None, f"it is longer than {ENTRY_BYTES:,} bytes"
    digest, _, body = content.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None, "its bytes are not the ones that were kept"
    try:
        entry = _Entry.model_validate_json(body)
    except ValidationError:
        return None, "it is no reply as this version keeps them"
    if entry.key != key:
        return None, "it is the reply to another request"
    calls = tuple(ToolCall(**call.model_dump()) for call in entry.calls)
    usage = Usage(**entry.usage.model_dump())
    reply = Reply(entry.text, Finish(entry.finish), usage, calls, entry.model, entry.seconds)
    return reply, ""
