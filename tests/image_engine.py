"""An engine that keeps images and nothing else, over HTTP on loopback: with either way of naming them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(slots=True)
class KeptImage:
    """One image; tests change its layers to play an engine that was tampered with."""

    config: bytes
    layers: list[bytes]
    tags: set[str] = field(default_factory=set)
    promised: tuple[str, ...] = ()
    """Digests of the layers as they were loaded: an engine never looks again."""

    @property
    def config_id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    @property
    def manifest_id(self) -> str:
        manifest = json.dumps({"config": self.config_id, "layers": self.promised})
        return f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"


class ImageEngine:
    """The images part of the engine's interface.

    Args:
        containerd: Ids are digests of manifests, as with a containerd store; else those of configurations.
    """

    def __init__(self, containerd: bool = False) -> None:
        self.containerd = containerd
        self.images: list[KeptImage] = []
        self.used: list[str] = []
        """Ids of images that containers stand on."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ImageEngine:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def id_of(self, image: KeptImage) -> str:
        return image.manifest_id if self.containerd else image.config_id

    def find(self, reference: str) -> KeptImage | None:
        return next(
            (one for one in self.images if reference == self.id_of(one) or reference in one.tags), None
        )

    def load(self, archive: bytes) -> KeptImage:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            contents = {one.name: tar.extractfile(one) for one in tar.getmembers()}
            (manifest,) = json.loads(_read(contents["manifest.json"]))
            image = KeptImage(
                _read(contents[manifest["Config"]]), [_read(contents[name]) for name in manifest["Layers"]]
            )
        image.promised = tuple(json.loads(image.config)["rootfs"]["diff_ids"])
        known = self.find(self.id_of(image))
        if known is None:
            self.images.append(known := image)
        for tag in manifest.get("RepoTags") or ():
            self.tag(known, tag)
        return known

    def tag(self, image: KeptImage, tag: str) -> None:
        for one in self.images:
            one.tags.discard(tag)
        image.tags.add(tag)

    def inspected(self, image: KeptImage) -> dict[str, Any]:
        config = json.loads(image.config)
        return {
            "Id": self.id_of(image),
            "RepoTags": sorted(image.tags),
            "Created": config["created"],
            "Architecture": config["architecture"],
            "Config": {"Hostname": "", "Entrypoint": None, **config["config"]},
            "RootFS": {"Type": "layers", "Layers": list(image.promised)},
            "Size": sum(map(len, image.layers)),
        }

    def saved(self, image: KeptImage) -> bytes:
        """In the form of the older engines, or of those with a containerd store."""
        blobs = {f"blobs/sha256/{hashlib.sha256(layer).hexdigest()}": layer for layer in image.layers}
        folders = {f"{number}/layer.tar": layer for number, layer in enumerate(image.layers)}
        names = (
            [f"blobs/sha256/{hashlib.sha256(layer).hexdigest()}" for layer in image.layers]
            if self.containerd
            else list(folders)
        )
        config_name = f"{image.config_id.removeprefix('sha256:')}.json"
        manifest = [{"Config": config_name, "RepoTags": None, "Layers": names}]
        # The manifest last, as engines write it.
        return _tar([*(blobs if self.containerd else folders).items(), (config_name, image.config)], manifest)

    def listed(self, labels: Iterable[str]) -> list[dict[str, Any]]:
        found = []
        for image in self.images:
            own = json.loads(image.config)["config"].get("Labels") or {}
            if all(
                name in own and (not wants or own[name] == value)
                for name, wants, value in (label.partition("=") for label in labels)
            ):
                found.append({"Id": self.id_of(image), "RepoTags": sorted(image.tags), "Labels": own})
        return found

    def remove(self, reference: str) -> int:
        image = self.find(reference)
        if image is None:
            return 404
        if reference in image.tags and len(image.tags) > 1:
            image.tags.discard(reference)
            return 200
        if self.id_of(image) in self.used:
            return 409
        self.images.remove(image)
        return 200


def _read(stream: Any) -> bytes:
    content: bytes = stream.read()
    return content


def _tar(files: list[tuple[str, bytes]], manifest: Any) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in [*files, ("manifest.json", json.dumps(manifest).encode())]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            # A time with a fraction makes an extended header before the member.
            info.mtime = 1_700_000_000.5
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


_PATH = re.compile(r"(/v[\d.]+)?/(?P<kind>images|containers|_ping|version)(/(?P<rest>.*))?")


def _handler(engine: ImageEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One packet an answer: two of them wait for each other, 40 ms each time.
        wbufsize = 1 << 16

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _json(self, value: Any, status: int = 200) -> None:
            self._answer(status, json.dumps(value).encode())

        def _body(self) -> bytes:
            if length := self.headers.get("Content-Length"):
                return self.rfile.read(int(length))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _ask(self) -> tuple[str, str, dict[str, list[str]]]:
            parts = urlsplit(self.path)
            found = _PATH.fullmatch(parts.path)
            assert found, self.path
            return found["kind"], unquote(found["rest"] or ""), parse_qs(parts.query)

        def do_GET(self) -> None:
            kind, rest, query = self._ask()
            filters = json.loads(query.get("filters", ["{}"])[0])
            reference, _, what = rest.rpartition("/")
            if kind == "_ping":
                self._answer(200, b"OK", "text/plain")
            elif kind == "version":
                self._json({"Version": "1", "ApiVersion": "1.41", "MinAPIVersion": "1.12"})
            elif kind == "containers":
                self._json([{"Id": "c", "ImageID": used} for used in engine.used])
            elif rest == "json":
                self._json(engine.listed(filters.get("label", ())))
            elif (image := engine.find(reference)) is None:
                self._json({"message": f"No such image: {reference}"}, 404)
            elif what == "json":
                self._json(engine.inspected(image))
            elif what == "history":
                self._json([{"Size": len(layer), "CreatedBy": "lmac"} for layer in reversed(image.layers)])
            else:
                assert what == "get", self.path
                self._answer(200, engine.saved(image), "application/x-tar")

        def do_POST(self) -> None:
            _, rest, query = self._ask()
            body = self._body()
            if rest == "load":
                image = engine.load(body)
                self._json({"stream": f"Loaded image ID: {engine.id_of(image)}\n"})
                return
            reference, _, what = rest.rpartition("/")
            assert what == "tag", self.path
            image_found = engine.find(reference)
            assert image_found is not None
            engine.tag(image_found, f"{query['repo'][0]}:{query['tag'][0]}")
            self._json({}, 201)

        def do_DELETE(self) -> None:
            _, rest, _ = self._ask()
            status = engine.remove(rest)
            self._json([] if status == 200 else {"message": "refused"}, status)

    return Handler
