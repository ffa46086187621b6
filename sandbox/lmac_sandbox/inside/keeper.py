"""The one writer of a store: answers the host's frames and ends when the host is gone."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from .frames import PROTOCOL, Decoder, Frame, encode
from .namespace import Caps, Collision, Full, Namespace
from .paths import BadPath, shown
from .places import STORE
from .store_digest import StoreDigest, content_digest
from .tree import Tree

_CHUNK_BYTES = 2**20
MESSAGE_CHARACTERS = 2000
"""Of a refusal's text; the host takes no longer one."""


class Missing(LookupError):
    """No such file in the store."""


class Store:
    """The files on the disk and the index over them, which is right because nobody else writes."""

    def __init__(self, root: str, caps: Caps) -> None:
        self._tree = Tree(root)
        self._caps = caps
        self._namespace = Namespace(caps)
        self._digest = StoreDigest()
        self._sha256: dict[str, str] = {}
        self._tree.clear_leftovers()
        for path in list(self._tree.walk()):
            content = self._tree.read(path, caps.file_bytes)
            self._namespace.check({path: len(content)})
            self._note(path, content)

    def check(self, sizes: Mapping[str, int]) -> None:
        """Whether all of it may be written; see `Namespace.check`."""
        self._namespace.check(sizes)

    def write(self, files: Mapping[str, bytes]) -> str:
        """Replace each file atomically, after checking all; returns the store's digest."""
        self.check({path: len(content) for path, content in files.items()})
        for path in sorted(files):
            self._tree.write(path, files[path])
            self._note(path, files[path])
        return self.digest()

    def read(self, path: str) -> bytes:
        """One file's content."""
        self._require(path)
        return self._tree.read(path, self._caps.file_bytes)

    def delete(self, path: str) -> str:
        """Remove one file and the folders that it leaves empty; returns the store's digest."""
        self._require(path)
        empty_folders = self._namespace.remove(path)
        self._tree.remove(path, empty_folders)
        self._digest.remove(path)
        del self._sha256[path]
        return self.digest()

    def overlay_digest(self, files: Mapping[str, tuple[int, str]], deleted: Iterable[str]) -> str:
        """The digest that the store would have without the ones and with the others; nothing is written.

        Args:
            files: By path, bytes and sha256.
        """
        gone = list(dict.fromkeys(deleted))
        for path in gone:
            self._require(path)
        # The index changes for as long as it is asked; each step brings its own way back.
        with ExitStack() as back:
            for path in gone:
                back.callback(self._put, path, self._namespace.sizes()[path], self._sha256[path])
                self._take_out(path)
            self.check({path: size_bytes for path, (size_bytes, _) in files.items()})
            for path, (size_bytes, sha256) in files.items():
                if path in self._namespace:
                    back.callback(self._put, path, self._namespace.sizes()[path], self._sha256[path])
                else:
                    back.callback(self._take_out, path)
                self._put(path, size_bytes, sha256)
            return self._digest.hexdigest()

    def entries(self) -> list[tuple[str, int, str]]:
        """Path, bytes and sha256 of every file, sorted by path."""
        sizes = self._namespace.sizes()
        return [(path, sizes[path], self._sha256[path]) for path in sorted(sizes)]

    def digest(self) -> str:
        """The store's digest."""
        return self._digest.hexdigest()

    def _require(self, path: str) -> None:
        if path not in self._namespace:
            raise Missing(f"the store has no file {shown(path)}")

    def _note(self, path: str, content: bytes) -> None:
        sha256 = content_digest(content)
        self._put(path, len(content), sha256)
        self._sha256[path] = sha256

    def _put(self, path: str, size_bytes: int, sha256: str) -> None:
        self._namespace.put(path, size_bytes)
        self._digest.put(path, sha256)

    def _take_out(self, path: str) -> None:
        self._namespace.remove(path)
        self._digest.remove(path)


def main() -> None:
    """Take the limits from the first frame, then answer until the host closes its end."""
    os.umask(0)
    _send({"hello": "keeper", "protocol": PROTOCOL})
    decoder = Decoder()
    store: Store | None = None
    while chunk := os.read(0, _CHUNK_BYTES):
        for request in decoder.feed(chunk):
            # Opened again, it looks again at what is there: another keeper may have written until now.
            if store is None or request["op"] == "open":
                store = Store(STORE, _caps(request))
            _send({"id": request["id"], **_answer(store, request)})


def _caps(request: Frame) -> Caps:
    return Caps(int(request["store_bytes"]), int(request["store_files"]), int(request["file_bytes"]))


def _answer(store: Store, request: Frame) -> Frame:
    """The result of one request; a refusal names its kind and leaves the store as it was."""
    try:
        return _carry_out(store, request)
    except (BadPath, Collision) as error:
        return _refusal("path", error)
    except Full as error:
        return _refusal("full", error)
    except Missing as error:
        return _refusal("missing", error)
    except OSError as error:
        return _refusal("disk", error)


def _carry_out(store: Store, request: Frame) -> Frame:
    match request["op"]:
        case "open" | "digest":
            return {"digest": store.digest()}
        case "check":
            store.check(request["sizes"])
            return {"digest": store.digest()}
        case "write":
            files = request["files"]
            return {"digest": store.write({path: base64.b64decode(files[path]) for path in files})}
        case "read":
            contents = {path: store.read(path) for path in request["paths"]}
            return {"files": {path: base64.b64encode(contents[path]).decode("ascii") for path in contents}}
        case "delete":
            return {"digest": store.delete(request["path"])}
        case "overlay":
            files = {path: (int(size), str(sha256)) for path, (size, sha256) in request["files"].items()}
            return {"digest": store.overlay_digest(files, request["deleted"])}
        case "list":
            return {"entries": store.entries()}
        case unknown:
            return _refusal("operation", f"no operation {unknown!r}")


def _refusal(kind: str, reason: object) -> Frame:
    return {"refusal": kind, "message": str(reason)[:MESSAGE_CHARACTERS]}


def _send(frame: Frame) -> None:
    rest = memoryview(encode(frame))
    while rest:
        rest = rest[os.write(1, rest) :]
