"""A docker-archive whose image id follows from its layers: fixed configuration, fixed names, fixed times."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lmac_sandbox.errors import ImageMismatch
from lmac_sandbox.tar_format import COPY_BYTES, END_OF_TAR, Entry, copy_exactly, tar_header

CREATED = "2001-09-09T01:46:40Z"
MAX_CONFIG_BYTES = 1 << 20
RECIPE_LABEL = "lmac.recipe"
"""Its value is the digest of everything that decided the image's bytes."""


@dataclass(frozen=True, slots=True)
class ArchiveFacts:
    """What an archive says of itself; the id is computed from its bytes."""

    image_id: str
    """"sha256:" and the digest of the configuration."""
    layer_digests: tuple[str, ...]
    """Each "sha256:…" of an uncompressed layer, lowest first."""
    tag: str
    recipe: str
    """Value of the label `RECIPE_LABEL`; "" when the archive is not ours."""


def image_config(
    architecture: str, environment: Mapping[str, str], labels: Mapping[str, str], layer_digests: Sequence[str]
) -> bytes:
    """The image's configuration, as JSON; its digest is the image's id.

    Args:
        layer_digests: "sha256:…" of each uncompressed layer, lowest first.
    """
    config: dict[str, Any] = {
        "architecture": architecture,
        "os": "linux",
        "created": CREATED,
        "config": {
            "Cmd": ["/usr/bin/python3"],
            "Env": [f"{name}={environment[name]}" for name in sorted(environment)],
            "Labels": dict(labels),
            "WorkingDir": "/",
        },
        "history": [{"created": CREATED, "created_by": "lmac"} for _ in layer_digests],
        "rootfs": {"type": "layers", "diff_ids": list(layer_digests)},
    }
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def write_archive(path: Path, config: bytes, layer_paths: Sequence[Path], tag: str) -> str:
    """Write what `docker load` reads, and return the image's id."""
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_names = [f"layer-{number}.tar" for number in range(len(layer_paths))]
    manifest = [{"Config": config_name, "Layers": layer_names, "RepoTags": [tag]}]
    with path.open("wb") as archive:
        _add(archive, "manifest.json", io.BytesIO(json.dumps(manifest, sort_keys=True).encode()))
        _add(archive, config_name, io.BytesIO(config))
        for name, layer_path in zip(layer_names, layer_paths, strict=True):
            with layer_path.open("rb") as layer:
                _add(archive, name, layer)
        archive.write(END_OF_TAR)
    return f"sha256:{hashlib.sha256(config).hexdigest()}"


def _add(archive: IO[bytes], name: str, content: IO[bytes]) -> None:
    size_bytes = content.seek(0, io.SEEK_END)
    content.seek(0)
    entry = Entry(name, tarfile.REGTYPE, 0o644, size_bytes=size_bytes)
    archive.write(tar_header(entry))
    copy_exactly(content, archive, size_bytes)
    archive.write(entry.padding())


def read_archive(path: Path) -> ArchiveFacts:
    """Read an archive's id and verify that its layers are those that its configuration names.

    Raises:
        ImageMismatch: no such archive, no docker-archive, or a layer with another digest.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            return _read_facts(archive, path)
    except (OSError, tarfile.TarError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ImageMismatch(f"{path} is no image archive of ours: {error}") from error


def _read_facts(archive: tarfile.TarFile, path: Path) -> ArchiveFacts:
    manifest = json.loads(_member(archive, "manifest.json").read(MAX_CONFIG_BYTES))[0]
    config_bytes = _member(archive, manifest["Config"]).read(MAX_CONFIG_BYTES)
    config = json.loads(config_bytes)
    named = tuple(config["rootfs"]["diff_ids"])
    found = tuple(f"sha256:{_sha256(_member(archive, name))}" for name in manifest["Layers"])
    if named != found:
        raise ImageMismatch(f"{path}: its layers are not those that its configuration names")
    return ArchiveFacts(
        image_id=f"sha256:{hashlib.sha256(config_bytes).hexdigest()}",
        layer_digests=found,
        tag=str(manifest["RepoTags"][0]),
        recipe=str((config["config"].get("Labels") or {}).get(RECIPE_LABEL, "")),
    )


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    if content is None:
        raise KeyError(name)
    return content


def _sha256(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := content.read(COPY_BYTES):
        digest.update(block)
    return digest.hexdigest()
