"""Wheels made by tests, honest and hostile, and a package index that serves them over HTTP."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lmac_sandbox import PinnedWheel, Target
from loopback_server import LoopbackServer

TARGET = Target("3.11.2", "x86_64", 36, {"pytest": "9.2.0"}, frozenset({"random", "json"}))
"""An interpreter that is nobody's here: what is decided for it must not depend on the host's."""


def wheel(
    name: str, version: str = "1.0", files: Mapping[str, str | bytes] | None = None, needs: Sequence[str] = ()
) -> bytes:
    """A wheel with these files, by default one module of its name."""
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {one}" for one in needs]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in (files or {f"{name}.py": f"VERSION = {version!r}\n"}).items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return written.getvalue()


def pin_of(name: str, content: bytes, version: str = "1.0") -> PinnedWheel:
    """What a wheel of `wheel` is pinned to."""
    file = f"{name}-{version}-py3-none-any.whl"
    return PinnedWheel(name, version, file, hashlib.sha256(content).hexdigest())


def keep_wheels(folder: Path, contents: Mapping[str, bytes]) -> dict[str, Path]:
    """Wheels as files, by their names."""
    paths = {name: folder / name for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    return paths


class WheelIndex(LoopbackServer):
    """A package index on loopback that notes what it is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        """By file name."""
        self.digests: dict[str, str] = {}
        """What its pages say of a file where that is not the truth; "" says nothing."""
        self.asked: list[str] = []
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self)))

    @property
    def url(self) -> str:
        """As pip is told."""
        return f"{self.address}/simple/"

    def publish(self, name: str, version: str = "1.0", **given: Any) -> PinnedWheel:
        """Add a wheel."""
        content = wheel(name, version, **given)
        pin = pin_of(name, content, version)
        self.files[pin.file] = content
        return pin

    def page(self, name: str) -> str | None:
        """What it has of a package; None without one."""
        links = [
            f'<a href="/files/{file}{self._fragment(file)}">{file}</a>'
            for file in self.files
            if file.split("-")[0].lower().replace("_", "-") == name
        ]
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>" if links else None

    def _fragment(self, file: str) -> str:
        digest = self.digests.get(file, hashlib.sha256(self.files[file]).hexdigest())
        return f"#sha256={digest}" if digest else ""


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, index: WheelIndex, *rest: Any) -> None:
        self._index = index
        super().__init__(*rest)

    def do_GET(self) -> None:
        self._index.asked.append(self.path)
        kind, _, name = self.path.strip("/").partition("/")
        page = self._index.page(name) if kind == "simple" else None
        content = page.encode() if page else self._index.files.get(name) if kind == "files" else None
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Type", "text/html" if page else "application/octet-stream")
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""
