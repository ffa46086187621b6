"""Images with packages for generated code go once nobody uses them, and never under a run."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_engine import ImageEngine
from lmac_sandbox import Engine, prune_dependency_cache, prune_dependency_images
from lmac_sandbox.dependency_image import LAYER_LABEL
from lmac_sandbox.dependency_prune import UNUSED_SECONDS
from lmac_sandbox.image_archive import image_config, write_archive
from lmac_sandbox.image_tree import LayerTree


@pytest.fixture(params=[False, True], ids=["ids of configurations", "ids of manifests"])
def images(request: pytest.FixtureRequest) -> Iterator[ImageEngine]:
    with ImageEngine(containerd=request.param) as engine:
        yield engine


@pytest.fixture
def engine(images: ImageEngine) -> Iterator[Engine]:
    with Engine.connect(images.url) as connected:
        yield connected


def layer(folder: Path, name: str) -> Path:
    path = folder / f"{name}.tar"
    with (folder / "spool").open("w+b") as spool:
        tree = LayerTree(spool)
        tree.add_text(f"/opt/{name}", name)
        tree.write(path)
    return path


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def loaded(
    images: ImageEngine,
    folder: Path,
    *names: str,
    label: str | None = None,
    tag: str = "lmac-dependencies:0123456789abcdef",
) -> str:
    """The engine's id of an image of these layers, the last one of which its label names."""
    layers = [layer(folder, name) for name in names]
    digests = [digest_of(path) for path in layers]
    labels = {LAYER_LABEL: digests[-1] if label is None else label} if len(layers) > 1 else {}
    config = image_config("amd64", {}, labels, [f"sha256:{digest}" for digest in digests])
    write_archive(folder / "image.tar", config, layers, tag)
    return images.id_of(images.load((folder / "image.tar").read_bytes()))


def noted(cache: Path, layer_path: Path, unused_seconds: float) -> Path:
    path = cache / "layers" / layer_path.stem
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(digest_of(layer_path))
    used_at = time.time() - unused_seconds
    os.utime(path, (used_at, used_at))
    return path


def test_an_image_goes_once_its_layer_was_not_used_for_long(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    ids = {
        name: loaded(images, tmp_path, "base", name) for name in ("recent", "forgotten", "unknown", "kept")
    }
    cache = tmp_path / "cache"
    noted(cache, tmp_path / "recent.tar", UNUSED_SECONDS / 2)
    noted(cache, tmp_path / "forgotten.tar", UNUSED_SECONDS * 2)

    planned = prune_dependency_images(engine, cache, (ids["kept"],), dry_run=True)
    assert len(images.images) == 4
    done = prune_dependency_images(engine, cache, (ids["kept"],))

    assert planned == done
    assert set(done.removed) == {ids["forgotten"], ids["unknown"]}
    sizes = [(tmp_path / f"{name}.tar").stat().st_size for name in ("forgotten", "unknown")]
    assert done.freed_bytes == sum(sizes)
    assert {images.id_of(image) for image in images.images} == {ids["recent"], ids["kept"]}


def test_no_image_goes_that_a_run_could_start_its_next_box_from(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    base = loaded(images, tmp_path, "base", tag="lmac/python:1")
    upon_it = loaded(images, tmp_path, "base", "greeting")
    elsewhere = loaded(images, tmp_path, "other", "greeting")
    # A run's keeper stands on the image without packages.
    images.used.append(base)

    done = prune_dependency_images(engine, tmp_path / "cache")

    assert (done.removed, done.in_use) == ((elsewhere,), (upon_it,))
    # The other image has the same layer.
    assert done.freed_bytes == 0
    images.used.clear()
    assert prune_dependency_images(engine, tmp_path / "cache").removed == (upon_it,)
    assert [images.id_of(image) for image in images.images] == [base]


@pytest.mark.parametrize(
    ("tag", "goes"),
    [
        ("localhost/lmac-dependencies:1", True),
        ("docker.io/library/lmac-dependencies:1", True),
        ("somebody/lmac-dependencies:1", False),
        ("mine:1", False),
    ],
)
def test_an_image_that_somebody_named_stays(
    images: ImageEngine, engine: Engine, tmp_path: Path, tag: str, goes: bool
) -> None:
    engine_id = loaded(images, tmp_path, "base", "greeting", tag=tag)

    assert prune_dependency_images(engine, tmp_path / "cache").removed == (engine_id,) * goes


def test_what_somebody_builds_upon_such_an_image_stays(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    inherited = digest_of(layer(tmp_path, "greeting"))
    loaded(images, tmp_path, "base", "greeting", "theirs", label=inherited)

    assert prune_dependency_images(engine, tmp_path / "cache").removed == ()


def test_the_cache_loses_wheels_and_notes_that_were_not_used_for_long(tmp_path: Path) -> None:
    old, recent = (noted(tmp_path, layer(tmp_path, name), age) for name, age in (("a", 1e9), ("b", 60.0)))
    wheels = [tmp_path / "packages" / name for name in ("old", "recent")]
    wheels[0].parent.mkdir()
    for wheel in wheels:
        wheel.write_bytes(b"x" * 1000)
    os.utime(wheels[0], (1, 1))

    assert prune_dependency_cache(tmp_path, dry_run=True) == 1064
    assert prune_dependency_cache(tmp_path) == 1064
    assert [path.exists() for path in (old, recent, *wheels)] == [False, True, False, True]
    assert prune_dependency_cache(tmp_path / "none") == 0
