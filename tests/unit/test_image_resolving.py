"""What a run records of its image is the image's own id, on engines that show another one too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_engine import ImageEngine
from lmac.errors import SandboxFailure
from lmac.shipped_images import image_folder, resolve_image
from lmac_sandbox import Engine, ImageNotFound, image_standing, load_image
from lmac_sandbox.image_archive import LOCK_LABEL, NAME_LABEL, RECIPE_LABEL, image_config, write_archive
from lmac_sandbox.image_cache import keep_archive
from lmac_sandbox.image_definition import read_lock
from lmac_sandbox.image_tree import LayerTree


@pytest.fixture(params=[False, True], ids=["ids of configurations", "ids of manifests"])
def images(request: pytest.FixtureRequest) -> Iterator[ImageEngine]:
    with ImageEngine(containerd=request.param) as engine:
        yield engine


@pytest.fixture
def engine(images: ImageEngine) -> Iterator[Engine]:
    with Engine.connect(images.url) as connected:
        yield connected


@pytest.fixture
def image_id(tmp_path: Path) -> str:
    """Of a small image in the place of the shipped `text` in the cache."""
    cache = tmp_path / "images"
    cache.mkdir()
    standing, lock = (
        image_standing(image_folder("text"), cache),
        read_lock(image_folder("text")),
    )
    layer = tmp_path / "layer.tar"
    with (tmp_path / "spool").open("w+b") as spool:
        tree = LayerTree(spool)
        tree.add_text("/etc/motd", "hello")
        tree.write(layer)
    labels = {NAME_LABEL: "text", LOCK_LABEL: standing.lock_digest, RECIPE_LABEL: standing.recipe}
    digest = f"sha256:{hashlib.sha256(layer.read_bytes()).hexdigest()}"
    config = image_config("amd64", {"TZ": "UTC"}, labels, [digest])
    written = write_archive(tmp_path / "made.tar", config, [layer], f"lmac/text:{standing.lock_digest[:12]}")
    pins = [(f"sha256:{pin}", 1) for pin in lock.layer_pins]
    keep_archive(cache, "text", standing.recipe, written, tmp_path / "made.tar", pins)
    return written


def test_every_way_to_name_an_image_gives_its_own_id(
    images: ImageEngine, engine: Engine, image_id: str, tmp_path: Path
) -> None:
    (archive,) = (tmp_path / "images" / "images").glob("*.tar")
    engine_id = load_image(engine, archive)
    lock_digest = read_lock(image_folder("text")).digest()

    assert (engine_id == image_id) is not images.containerd
    for reference in ("text", f"text@lock:{lock_digest}", image_id, engine_id):
        assert resolve_image(engine, reference, tmp_path) == image_id


def test_an_image_that_was_built_and_is_not_in_the_engine_is_not_found(
    engine: Engine, image_id: str, tmp_path: Path
) -> None:
    with pytest.raises(ImageNotFound, match=image_id):
        resolve_image(engine, "text", tmp_path)


def test_an_image_that_was_not_built_names_what_brings_it_in(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SandboxFailure, match="image text: it was not built here yet") as caught:
        resolve_image(engine, "text", tmp_path)

    assert "lmac setup" in caught.value.next_step
