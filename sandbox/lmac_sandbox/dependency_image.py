"""An image with one more layer: what generated code asked for, over an image of ours.

A layer of an image, and no mount: every engine shares it between boxes and runs by its digest, checks that
digest when it is given the layer, and lets nobody write to it. It needs no folder of the host, so that an
engine elsewhere has it like any other, and no volume, which could be half filled or changed. And a box with
other dependencies is a box of another image.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lmac_sandbox.errors import EngineFailure, ImageMismatch
from lmac_sandbox.image_archive import CREATED, MAX_CONFIG_BYTES
from lmac_sandbox.tar_format import COPY_BYTES, END_OF_TAR, Entry, copy_exactly, tar_header

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine

LAYER_LABEL = "lmac.dependencies"
"""Its value is the digest of the layer on top."""
REPOSITORY = "lmac-dependencies"
_TAG_LETTERS = 16


@dataclass(frozen=True, slots=True)
class _Base:
    """What is taken over from the image below."""

    image_id: str
    architecture: str
    environment: tuple[str, ...]
    layers: tuple[str, ...]
    """"sha256:…" of each, lowest first."""


def find_with_layer(engine: Engine, base_image_id: str, layer_digest: str) -> str | None:
    """The engine's id of the image with this layer over that image; None when it has none.

    Raises:
        EngineFailure: the engine does not answer as it should.
        ImageNotFound: it lacks the image below.
    """
    layers = (*_base(engine, base_image_id).layers, f"sha256:{layer_digest}")
    with engine.call("look for an image with dependencies") as client:
        for image in client.images.list(filters={"label": f"{LAYER_LABEL}={layer_digest}"}):
            if tuple(image.attrs["RootFS"]["Layers"]) == layers:
                return str(image.id)
    return None


def load_with_layer(engine: Engine, base_image_id: str, layer_path: Path, layer_digest: str) -> str:
    """Give the engine the layer over that image, and return the id of both.

    Only the layer is sent where the engine knows the others by their digests; else all of them, which it
    itself gives.

    Raises:
        ImageMismatch: the engine's image has other layers than it was given.
        EngineFailure: the engine refuses it.
    """
    base = _base(engine, base_image_id)
    found = None
    try:
        _send(engine, base, layer_path, layer_digest, ())
        found = find_with_layer(engine, base_image_id, layer_digest)
    except EngineFailure:
        # It keeps images in another form, and wants every layer.
        found = None
    if found is None:
        with _layers_below(engine, base, layer_path.parent) as below:
            _send(engine, base, layer_path, layer_digest, below)
        found = find_with_layer(engine, base_image_id, layer_digest)
    if found is None:
        raise ImageMismatch(
            f"the engine took the dependencies {layer_digest[:12]} and has no image with them"
        )
    return found


def _base(engine: Engine, image_id: str) -> _Base:
    with engine.call(f"look at image {image_id}") as client:
        attributes = client.images.get(image_id).attrs
    return _Base(
        image_id,
        str(attributes["Architecture"]),
        tuple(attributes["Config"].get("Env") or ()),
        tuple(attributes["RootFS"]["Layers"]),
    )


def _configuration(base: _Base, layer_digest: str) -> bytes:
    """As JSON, the same wherever it is made; its digest is the image's id."""
    layers = [*base.layers, f"sha256:{layer_digest}"]
    content: dict[str, Any] = {
        "architecture": base.architecture,
        "os": "linux",
        "created": CREATED,
        "config": {
            "Cmd": ["/usr/bin/python3"],
            "Env": sorted(base.environment),
            "Labels": {LAYER_LABEL: layer_digest},
            "WorkingDir": "/",
        },
        "history": [{"created": CREATED, "created_by": "lmac"} for _ in layers],
        "rootfs": {"type": "layers", "diff_ids": layers},
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _send(
    engine: Engine, base: _Base, layer_path: Path, layer_digest: str, below: Sequence[tuple[str, IO[bytes]]]
) -> None:
    """Load an archive.

    Args:
        below: Name and content of each lower layer; none to leave them out.
    """
    configuration = _configuration(base, layer_digest)
    names = [name for name, _ in below] or [f"layer-{number}.tar" for number in range(len(base.layers))]
    names.append("dependencies.tar")
    tag = f"{REPOSITORY}:{hashlib.sha256(configuration).hexdigest()[:_TAG_LETTERS]}"
    configuration_name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = [{"Config": configuration_name, "Layers": names, "RepoTags": [tag]}]
    with tempfile.TemporaryFile(dir=layer_path.parent) as archive:
        _add(archive, "manifest.json", io.BytesIO(json.dumps(manifest, sort_keys=True).encode()))
        _add(archive, configuration_name, io.BytesIO(configuration))
        with layer_path.open("rb") as layer:
            for name, content in (*below, ("dependencies.tar", layer)):
                _add(archive, name, content)
        archive.write(END_OF_TAR)
        archive.seek(0)
        with engine.call("load the dependencies") as client:
            client.images.load(archive)


def _add(archive: IO[bytes], name: str, content: IO[bytes]) -> None:
    size_bytes = content.seek(0, io.SEEK_END)
    content.seek(0)
    entry = Entry(name, tarfile.REGTYPE, 0o644, size_bytes=size_bytes)
    archive.write(tar_header(entry))
    copy_exactly(content, archive, size_bytes)
    archive.write(entry.padding())


@contextmanager
def _layers_below(engine: Engine, base: _Base, folder: Path) -> Iterator[list[tuple[str, IO[bytes]]]]:
    """The layers of an image, as the engine itself gives them away, by names for another archive.

    Args:
        folder: With room for the whole image.
    """
    with tempfile.TemporaryFile(dir=folder) as saved:
        with engine.call("save the image below the dependencies") as client:
            for chunk in client.images.get(base.image_id).save(chunk_size=COPY_BYTES):
                saved.write(chunk)
        saved.seek(0)
        try:
            with tarfile.open(fileobj=saved, mode="r:") as archive:
                manifest = json.loads(_member(archive, "manifest.json").read(MAX_CONFIG_BYTES))[0]
                yield [
                    (f"layer-{number}.tar", _member(archive, name))
                    for number, name in enumerate(manifest["Layers"])
                ]
        except (tarfile.TarError, KeyError, IndexError, ValueError) as error:
            raise EngineFailure(f"the engine gives no archive of image {base.image_id}: {error}") from error


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    if content is None:
        raise KeyError(name)
    return content
