"""Npm packages, through the real npm from a registry on loopback: resolved, held to digests, unpacked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from lmac_sandbox.errors import ImageError, ImageMismatch, PackageUnavailable
from lmac_sandbox.image_definition import Lock
from lmac_sandbox.image_tree import LayerTree
from lmac_sandbox.npm_packages import add_npm, resolve_npm
from lmac_sandbox.packages import fetch
from loopback_server import LoopbackServer


def archive(files: Mapping[str, str], kind: bytes = tarfile.REGTYPE) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(text) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            tar.addfile(info, io.BytesIO(text.encode()))
    return written.getvalue()


class Registry(LoopbackServer):
    """Of npm; serves what was published."""

    def __init__(self) -> None:
        self.pages: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answers, self)))

    def publish(self, name: str, version: str = "1.0.0", needs: Mapping[str, str] | None = None) -> None:
        """A package with a script that npm would run when it installs it."""
        told: dict[str, Any] = {"name": name, "version": version, "dependencies": dict(needs or {})}
        told |= {"scripts": {"install": "touch ran", "prepack": "touch ran"}, "hasInstallScript": True}
        content = archive(
            {"package/package.json": json.dumps(told), "package/index.js": "module.exports = 1\n"}
        )
        file = f"/files/{name.replace('/', '-')}-{version}.tgz"
        self.files[file] = content
        sha512 = base64.b64encode(hashlib.sha512(content).digest()).decode()
        dist = {"tarball": f"{self.address}{file}", "integrity": f"sha512-{sha512}"}
        page = self.pages.setdefault(name, {"name": name, "dist-tags": {}, "versions": {}})
        page["versions"][version] = {**told, "dist": dist}
        page["dist-tags"]["latest"] = version


class _Answers(BaseHTTPRequestHandler):
    def __init__(self, registry: Registry, *given: Any) -> None:
        self._registry = registry
        super().__init__(*given)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        path = unquote(self.path)
        page = self._registry.pages.get(path.lstrip("/"))
        content = self._registry.files.get(path) or (json.dumps(page).encode() if page else None)
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    with Registry() as serving:
        monkeypatch.setenv("npm_config_registry", serving.address)
        monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        yield serving


def locked(folder: Path, *wanted: str) -> Lock:
    (folder / "npm-work").mkdir()
    packages = resolve_npm(wanted, folder / "npm-work", folder / "cache")
    return Lock(architecture="amd64", packages=tuple(packages))


def test_packages_are_locked_with_all_that_they_need_and_no_script_is_run(
    registry: Registry, tmp_path: Path
) -> None:
    registry.publish("beta", "1.2.0")
    registry.publish("@scope/alpha", needs={"beta": "^1.0.0"})

    lock = locked(tmp_path, "@scope/alpha==1.0.0")

    assert [str(package) for package in lock.packages] == ["@scope/alpha 1.0.0", "beta 1.2.0"]
    beta = registry.files["/files/beta-1.2.0.tgz"]
    assert (lock.packages[1].sha256, lock.packages[1].size_bytes) == (
        hashlib.sha256(beta).hexdigest(),
        len(beta),
    )
    paths = fetch(lock, "3.11", tmp_path / "elsewhere")
    assert [path.name for path in paths] == [package.sha256 for package in lock.packages]
    assert list(tmp_path.rglob("ran")) == []


def test_a_package_that_changed_since_it_was_locked_is_not_used(registry: Registry, tmp_path: Path) -> None:
    registry.publish("beta")
    lock = locked(tmp_path, "beta==1.0.0")
    registry.publish("beta", needs={"more": "1.0.0"})

    with pytest.raises(ImageMismatch, match=r"npm beta 1\.0\.0: what came has not the locked sha256"):
        fetch(lock, "3.11", tmp_path / "elsewhere")


def test_what_a_registry_lacks_or_gives_otherwise_is_named(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(PackageUnavailable, match="npm failed"):
        locked(tmp_path, "absent==1.0.0")
    registry.publish("beta")
    registry.files["/files/beta-1.0.0.tgz"] = archive({"package/index.js": "other"})
    (tmp_path / "again").mkdir()
    with pytest.raises(PackageUnavailable, match="integrity"):
        locked(tmp_path / "again", "beta==1.0.0")


def test_two_versions_of_one_package_are_refused(registry: Registry, tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        registry.publish("beta", version)
    registry.publish("alpha", needs={"beta": "1.0.0"})

    with pytest.raises(ImageError, match="two versions of the npm package beta"):
        locked(tmp_path, "alpha==1.0.0", "beta==2.0.0")


def test_a_host_without_npm_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert locked(tmp_path).packages == ()
    (tmp_path / "more").mkdir()
    with pytest.raises(PackageUnavailable, match="this host has no npm") as caught:
        locked(tmp_path / "more", "beta==1.0.0")
    assert "apt-get install npm" in caught.value.next_step


def unpacked(folder: Path, content: bytes) -> dict[str, bytes]:
    (folder / "one.tgz").write_bytes(content)
    with (folder / "spool").open("w+b") as spool:
        tree = LayerTree(spool)
        add_npm(tree, "@scope/alpha", folder / "one.tgz")
        tree.write(folder / "layer.tar")
    with tarfile.open(folder / "layer.tar") as tar:
        return {one.name: b"" if (file := tar.extractfile(one)) is None else file.read() for one in tar}


def test_a_package_lies_where_node_looks_for_it(tmp_path: Path) -> None:
    found = unpacked(tmp_path, archive({"package/index.js": "x", "package/lib/b.js": "y"}))

    assert found["node_modules/@scope/alpha/index.js"] == b"x"
    assert found["node_modules/@scope/alpha/lib/b.js"] == b"y"


@pytest.mark.parametrize("name", ["package/../../etc/passwd", "package", "package//x", "package/./x"])
def test_a_path_that_has_no_place_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="has no place"):
        unpacked(tmp_path, archive({name: "x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(ImageError, match=r"has no place|is no npm package"):
        unpacked(tmp_path, archive({"package/x": ""}, kind))


@pytest.mark.parametrize("content", [b"", b"x" * 2000, archive({"package/x": "y" * 9000})[:40]])
def test_what_is_no_package_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImageError, match="is no npm package"):
        unpacked(tmp_path, content)
