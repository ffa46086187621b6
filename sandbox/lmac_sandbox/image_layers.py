"""The layers of an image: what Debian brings, what PyPI brings, what is ours."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lmac_sandbox.download_cache import package_path
from lmac_sandbox.image_bytecode import OUTPUT_FOLDER
from lmac_sandbox.image_definition import Folder, ImageDefinition, Lock, PackageKind
from lmac_sandbox.image_tree import MERGED_FOLDERS, LayerTree
from lmac_sandbox.npm_packages import add_npm
from lmac_sandbox.package_files import add_deb, add_wheel

OWN_FOLDER = "/opt/lmac"
PROGRAMS_FOLDER = f"{OWN_FOLDER}/inside"
NO_SHELL = "/usr/sbin/nologin"


@contextmanager
def _layer(path: Path, dropped: Sequence[str] = ()) -> Iterator[LayerTree]:
    with tempfile.TemporaryFile(dir=path.parent) as spool:
        tree = LayerTree(spool, dropped)
        yield tree
        tree.write(path)


def write_debian_layer(definition: ImageDefinition, lock: Lock, cache_folder: Path, layer_path: Path) -> None:
    """The Debian packages and the links that a merged /usr and its interpreter need.

    Raises:
        ImageError: a package that is not understood, or two that bring the same path.
    """
    with _layer(layer_path, definition.dropped) as tree:
        for deb in lock.of(PackageKind.DEB):
            add_deb(tree, package_path(cache_folder, deb.sha256))
        for folder in MERGED_FOLDERS:
            tree.add_merged_link(folder)
        for path, target in definition.links.items():
            tree.add_link(path, target)


def write_wheel_layer(definition: ImageDefinition, lock: Lock, cache_folder: Path, layer_path: Path) -> None:
    """The Python packages, and those of npm.

    Raises:
        ImageError: as `write_debian_layer`.
    """
    with _layer(layer_path, definition.dropped) as tree:
        for wheel in lock.of(PackageKind.WHEEL):
            add_wheel(tree, package_path(cache_folder, wheel.sha256))
        for package in lock.of(PackageKind.NPM):
            add_npm(tree, package.name, package_path(cache_folder, package.sha256))


def program_files(folder: Path) -> list[Path]:
    """The in-container programs in a folder, by name."""
    return sorted(folder.glob("*.py"), key=lambda path: path.name)


def write_bytecode_layer(compiled: IO[bytes], layer_path: Path) -> None:
    """Bytecode of the standard library and the Python packages.

    Args:
        compiled: What `compile_folders` gave; only what lies below /usr is taken.
    """
    with _layer(layer_path) as tree:
        _add_compiled(tree, compiled, "usr")


def _add_compiled(tree: LayerTree, compiled: IO[bytes], folder: str) -> None:
    compiled.seek(0)
    with tarfile.open(fileobj=compiled, mode="r:") as members:
        for member in members:
            path = member.name.removeprefix(OUTPUT_FOLDER.lstrip("/")).lstrip("/")
            content = members.extractfile(member) if member.isreg() else None
            if content is not None and path.startswith(f"{folder}/"):
                tree.add_file(path, content)


def write_own_layer(
    definition: ImageDefinition,
    definition_folder: Path,
    programs_folder: Path,
    layer_path: Path,
    compiled: IO[bytes] | None = None,
) -> None:
    """Users, folders, texts, the definition's files, the in-container programs and, if given, their bytecode.

    Args:
        compiled: What `compile_folders` gave; only what lies below `OWN_FOLDER` is taken.
    """
    with _layer(layer_path) as tree:
        if compiled is not None:
            _add_compiled(tree, compiled, OWN_FOLDER.lstrip("/"))
        for path, folder in definition.folders.items():
            if isinstance(folder, Folder):
                tree.add_folder(path, int(folder.mode, 8), definition.users[folder.owner].uid)
            else:
                tree.add_folder(path, int(folder, 8))
        texts = {**definition.texts, "/etc/passwd": _passwd(definition), "/etc/group": _group(definition)}
        for path, text in texts.items():
            tree.add_text(path, text)
        files = [(definition_folder / name, place) for name, place in definition.files.items()]
        programs = [(path, f"{PROGRAMS_FOLDER}/{path.name}") for path in program_files(programs_folder)]
        for source, place in [*files, *programs]:
            with source.open("rb") as content:
                tree.add_file(place, content)


def _passwd(definition: ImageDefinition) -> str:
    return "".join(
        f"{name}:x:{uid}:{uid}::{definition.users[name].home}:{NO_SHELL}\n"
        for uid, name in _users(definition)
    )


def _group(definition: ImageDefinition) -> str:
    return "".join(f"{name}:x:{uid}:\n" for uid, name in _users(definition))


def _users(definition: ImageDefinition) -> list[tuple[int, str]]:
    return sorted((uid, name) for name, user in definition.users.items() for uid in user.uids)
