"""A docker-archive whose image id follows from its layers: fixed configuration, fixed names, fixed times."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

from lmac_sandbox.errors import ImageMismatch
from lmac_sandbox.tar_format import END_OF_TAR, Entry, copy_exactly, tar_header
from lmac_sandbox.tar_reading import Span, tar_members

CREATED = "2001-09-09T01:46:40Z"
MAX_CONFIG_BYTES = 1 << 20
MOST_LAYERS = 128
"""What engines stack at most."""
COMMAND = ("/usr/bin/python3",)
WORKING_FOLDER = "/"
NAME_LABEL = "lmac.image"
LOCK_LABEL = "lmac.lock"
RECIPE_LABEL = "lmac.recipe"
"""Its value is the digest of everything that decided the image's bytes."""


_SAVED = "name an archive that `lmac images save` wrote, whole"


@dataclass(frozen=True, slots=True)
class ArchiveFacts:
    """What an archive holds; every digest is computed from its bytes."""

    image_id: str
    """"sha256:" and the digest of the configuration."""
    config: bytes
    """As JSON."""
    layer_digests: tuple[str, ...]
    """Each "sha256:…" of an uncompressed layer, lowest first."""
    layers: tuple[Span, ...]
    """Where they lie in the archive."""
    tag: str
    """"" when it has none."""
    labels: Mapping[str, str]

    @property
    def recipe(self) -> str:
        """Value of the label `RECIPE_LABEL`; "" when the image is not ours."""
        return self.labels.get(RECIPE_LABEL, "")


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
            "Cmd": list(COMMAND),
            "Env": [f"{name}={environment[name]}" for name in sorted(environment)],
            "Labels": dict(labels),
            "WorkingDir": WORKING_FOLDER,
        },
        "history": [{"created": CREATED, "created_by": "lmac"} for _ in layer_digests],
        "rootfs": {"type": "layers", "diff_ids": list(layer_digests)},
    }
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def write_archive(path: Path, config: bytes, layer_paths: Sequence[Path], tag: str) -> str:
    """Write what `docker load` reads, and return the image's id."""
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_names = [f"layer-{number}.tar" for number in range(len(layer_paths))]
    manifest = [{"Config": config_name, "Layers": layer_names, "RepoTags": [tag] if tag else None}]
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
    """Read an archive, ours or one that an engine wrote, and hold its layers against its configuration.

    Nothing is unpacked, and nothing of it decides how much is read: it may come from anybody.

    Raises:
        ImageMismatch: no such archive, no docker-archive, a damaged one, or a layer with another digest.
    """
    try:
        # A pipe would keep whoever opens it waiting.
        if path.exists() and not path.is_file():
            raise ImageMismatch("no regular file")
        with path.open("rb") as stream:
            size_bytes = stream.seek(0, io.SEEK_END)
            return _read_facts(stream, _spans(stream, size_bytes))
    except FileNotFoundError as error:
        raise ImageMismatch(f"{path}: no such archive", _SAVED) from error
    except (OSError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # Cut short: what is odd may be a megabyte of the archive's own.
        raise ImageMismatch(f"{path} is no image archive: {error!r:.300}", _SAVED) from error
    except ImageMismatch as error:
        raise ImageMismatch(
            f"{path} is no image archive, or a damaged one: {error.message:.300}", _SAVED
        ) from error


def _spans(stream: IO[bytes], size_bytes: int) -> dict[str, Span]:
    """Where each file of an archive lies, by its path."""
    spans: dict[str, Span] = {}
    links: dict[str, str] = {}
    for member in tar_members(stream, Span(0, size_bytes)):
        if member.path in spans or member.path in links:
            raise ImageMismatch(f"two of its members are named {member.path!r}")
        if member.kind == tarfile.REGTYPE:
            spans[member.path] = member.content
        elif member.kind == tarfile.SYMTYPE:
            # An engine's archive holds a layer once and links to it where it comes again.
            links[member.path] = posixpath.normpath(
                posixpath.join(posixpath.dirname(member.path), member.link_target)
            )
    return spans | {path: spans[target] for path, target in links.items() if target in spans}


def _read_facts(stream: IO[bytes], spans: Mapping[str, Span]) -> ArchiveFacts:
    (manifest,) = json.loads(_small(stream, spans["manifest.json"]))
    config_bytes = _small(stream, spans[manifest["Config"]])
    config = json.loads(config_bytes)
    named = tuple(config["rootfs"]["diff_ids"])
    layers = tuple(spans[name] for name in manifest["Layers"])
    if len(layers) > MOST_LAYERS:
        raise ImageMismatch(f"it has {len(layers)} layers; at most {MOST_LAYERS}")
    digests = {span: f"sha256:{span.sha256(stream)}" for span in set(layers)}
    found = tuple(digests[span] for span in layers)
    for number, (promised, came) in enumerate(zip_longest(named, found), start=1):
        if promised != came:
            raise ImageMismatch(
                f"layer {number} of its layers is {came}, and its configuration names {promised}"
            )
    labels = config["config"].get("Labels") or {}
    return ArchiveFacts(
        image_id=f"sha256:{hashlib.sha256(config_bytes).hexdigest()}",
        config=config_bytes,
        layer_digests=found,
        layers=layers,
        tag=str((manifest.get("RepoTags") or [""])[0]),
        labels={str(name): str(value) for name, value in labels.items()},
    )


def _small(stream: IO[bytes], span: Span) -> bytes:
    if span.size_bytes > MAX_CONFIG_BYTES:
        raise ImageMismatch(f"its configuration has {span.size_bytes:,} bytes; at most {MAX_CONFIG_BYTES:,}")
    stream.seek(span.offset)
    return stream.read(span.size_bytes)


def extract_layers(path: Path, facts: ArchiveFacts, folder: Path) -> list[Path]:
    """Write the layers of an archive into a folder, lowest first, and return where they lie."""
    paths = [folder / f"kept-{number}.tar" for number in range(len(facts.layers))]
    with path.open("rb") as archive:
        for span, target in zip(facts.layers, paths, strict=True):
            archive.seek(span.offset)
            with target.open("wb") as layer:
                copy_exactly(archive, layer, span.size_bytes)
    return paths
