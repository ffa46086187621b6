"""Npm packages: resolved and fetched by the host's npm, unpacked by us: no script of theirs is run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lmac_sandbox.download_cache import file_sha256, package_path
from lmac_sandbox.errors import ImageError, ImageMismatch, PackageUnavailable
from lmac_sandbox.host_tools import run_tool
from lmac_sandbox.image_definition import LockedPackage, PackageKind
from lmac_sandbox.image_tree import LayerTree

NODE_MODULES = "node_modules"
"""At the top: from there both ways to import find a package, wherever the importing file lies."""
MOST_FILES = 20_000
"""Of one package."""
MOST_BYTES = 256 << 20
_OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
_LEFT_OUT = ("dev", "optional", "devOptional")
"""Of what npm resolves: what no import needs, and what is of one kind of machine alone."""


def resolve_npm(wanted: Sequence[str], folder: Path, cache_folder: Path) -> list[LockedPackage]:
    """Decide on versions of the packages and of all that they need, and bring them into the cache.

    Args:
        wanted: Each as `name==version`.
        folder: Holds whatever npm needs for a while.

    Raises:
        PackageUnavailable: npm is absent, or gets them from nowhere.
        ImageMismatch: what came is not what the registry promises.
        ImageError: they need what has no place here.
    """
    if not wanted:
        return []
    dependencies = dict(entry.split("==") for entry in wanted)
    (folder / "package.json").write_text(
        json.dumps({"name": "image", "version": "0.0.0", "private": True, "dependencies": dependencies})
    )
    _npm(folder, "install", "--package-lock-only")
    found = json.loads((folder / "package-lock.json").read_bytes())["packages"]
    return [
        _locked(name, told, folder, cache_folder)
        for path, told in sorted(found.items())
        if path and not any(told.get(mark) for mark in _LEFT_OUT) and (name := _name(path))
    ]


def download_npm(packages: Sequence[LockedPackage], folder: Path) -> None:
    """Bring the archives of packages into `folder`.

    Raises:
        PackageUnavailable: as `resolve_npm`.
    """
    if packages:
        specs = [f"{package.name}@{package.version}" for package in packages]
        _npm(folder, "pack", f"--pack-destination={folder}", "--", *specs)
        shutil.rmtree(folder / "npm")


def add_npm(tree: LayerTree, name: str, path: Path) -> None:
    """Take the files of a package into the folder that node finds it in.

    Raises:
        ImageError: no package, or one with links, paths that climb, or more than it may have.
    """
    try:
        with tarfile.open(path, mode="r|gz") as members:
            for member, place in _places(members, path):
                content = members.extractfile(member)
                assert content is not None
                tree.add_file(f"{NODE_MODULES}/{name}/{place}", content, bool(member.mode & 0o111))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ImageError(f"{path} is no npm package: {error}") from error


def _places(members: tarfile.TarFile, path: Path) -> Iterator[tuple[tarfile.TarInfo, str]]:
    files = size_bytes = 0
    for member in members:
        if member.isdir():
            continue
        # Whatever the first folder is called, npm leaves it out.
        place = member.name.partition("/")[2]
        if (
            member.type not in _PLAIN
            or not place
            or any(part in ("", ".", "..") for part in place.split("/"))
        ):
            raise ImageError(f"{path} holds {member.name!r:.200}, which has no place")
        files += 1
        size_bytes += member.size
        if files > MOST_FILES or size_bytes > MOST_BYTES:
            raise ImageError(f"{path} holds more than {MOST_FILES:,} files or {MOST_BYTES:,} bytes")
        yield member, place


def _npm(folder: Path, command: str, *arguments: str) -> None:
    if shutil.which("npm") is None:
        raise PackageUnavailable(
            "this host has no npm, which brings the npm packages of an image",
            "install it, such as with `apt-get install npm`, or load a kept archive with `lmac images load`",
        )
    # The registry is the user's own; the state is not.
    run_tool(["npm", command, *_OPTIONS, f"--cache={folder / 'npm'}", *arguments], folder)


def _name(path: str) -> str:
    head, _, name = path.rpartition(f"{NODE_MODULES}/")
    if head:
        raise ImageError(
            f"two versions of the npm package {name} are asked for; one belongs to {head.rstrip('/')}",
            "name versions that go together",
        )
    return name


def _locked(name: str, told: Mapping[str, Any], folder: Path, cache_folder: Path) -> LockedPackage:
    sha512 = re.fullmatch(r"sha512-([A-Za-z0-9+/]+=*)", str(told.get("integrity")))
    if sha512 is None or told.get("link") or not _is_of_registry(str(told.get("resolved", ""))):
        raise ImageError(f"npm package {name}: it comes from no registry that gives its sha512")
    into = folder / "packed"
    into.mkdir()
    try:
        pinned = LockedPackage(
            kind=PackageKind.NPM,
            name=name,
            version=told["version"],
            file="unknown.tgz",
            size_bytes=1,
            sha256="0" * 64,
        )
    except (KeyError, ValidationError) as error:
        raise ImageError(f"npm package {name!r:.200}: a name or version that no registry has") from error
    download_npm([pinned], into)
    (came,) = into.iterdir()
    content_sha512 = hashlib.sha512(came.read_bytes()).digest()
    if base64.b64encode(content_sha512).decode() != sha512[1]:
        raise ImageMismatch(f"npm package {pinned}: what came has not the sha512 that its registry gives")
    sha256, size_bytes, file = file_sha256(came), came.stat().st_size, came.name
    target = package_path(cache_folder, sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    came.replace(target)
    into.rmdir()
    return pinned.model_copy(update={"file": file, "size_bytes": size_bytes, "sha256": sha256})


def _is_of_registry(address: str) -> bool:
    # None is told of where npm is configured so.
    return not address or address.startswith(("https://", "http://"))
