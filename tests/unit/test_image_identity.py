"""Identity, proof, keeping and pruning, on engines of both kinds: that show our id, and that show another."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_engine import ImageEngine, KeptImage
from lmac_sandbox import Engine, ImageError, ImageMismatch, ImageNotFound
from lmac_sandbox.image_archive import (
    LOCK_LABEL,
    NAME_LABEL,
    RECIPE_LABEL,
    image_config,
    read_archive,
    write_archive,
)
from lmac_sandbox.image_identity import identify_image
from lmac_sandbox.image_keeping import load_archive, save_archive, save_image
from lmac_sandbox.image_load import export_image, find_image, load_image
from lmac_sandbox.image_proof import prove_content
from lmac_sandbox.image_prune import prune_images
from lmac_sandbox.image_tree import LayerTree

LOCK = "1" * 64


@pytest.fixture(params=[False, True], ids=["ids of configurations", "ids of manifests"])
def images(request: pytest.FixtureRequest) -> Iterator[ImageEngine]:
    with ImageEngine(containerd=request.param) as engine:
        yield engine


@pytest.fixture
def engine(images: ImageEngine) -> Iterator[Engine]:
    with Engine.connect(images.url) as connected:
        yield connected


def layer(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.tar"
    with (folder / "spool").open("w+b") as spool:
        tree = LayerTree(spool)
        tree.add_text(f"/etc/{name}", text)
        tree.write(path)
    return path


def archive(
    folder: Path, recipe: str, text: str = "hello", name: str = "demo", tag: str | None = None
) -> Path:
    """An image of two layers, the lower of which all images here share."""
    folder.mkdir(exist_ok=True)
    layers = [layer(folder, "base", "shared" * 500), layer(folder, "motd", text)]
    digests = [f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in layers]
    labels = {NAME_LABEL: name, LOCK_LABEL: LOCK, RECIPE_LABEL: recipe}
    config = image_config("amd64", {"TZ": "UTC", "LANG": "C.UTF-8"}, labels, digests)
    path = folder / f"{recipe}.tar"
    write_archive(path, config, layers, tag if tag is not None else f"lmac/{name}:{LOCK[:12]}")
    return path


def image_id_of(path: Path) -> str:
    return read_archive(path).image_id


def test_our_id_is_known_whatever_the_engine_shows(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    path = archive(tmp_path, "r1")
    engine_id = load_image(engine, path)

    identity = identify_image(engine, engine_id)

    assert identity.image_id == image_id_of(path)
    assert identity.engine_id == engine_id == images.id_of(images.images[0])
    assert (identity.image_id == engine_id) is not images.containerd
    assert (identity.name, identity.lock_digest, identity.recipe) == ("demo", LOCK, "r1")


def test_a_config_names_the_same_id_on_every_engine(engine: Engine, tmp_path: Path) -> None:
    path = archive(tmp_path, "r1")
    engine_id = load_image(engine, path)

    assert find_image(engine, image_id_of(path)) == engine_id
    assert find_image(engine, engine_id) == engine_id
    with pytest.raises(ImageNotFound, match="0000"):
        find_image(engine, "sha256:" + "0" * 64)


def test_loading_twice_keeps_one_image_with_its_tag(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    path = archive(tmp_path, "r1")
    first = load_image(engine, path)
    images.images[0].tags.clear()

    assert load_image(engine, path) == first
    assert [image.tags for image in images.images] == [{f"lmac/demo:{LOCK[:12]}"}]


def derived(image: KeptImage, **config: object) -> bytes:
    """What somebody builds upon an image of ours: its labels are inherited."""
    content = json.loads(image.config)
    content["config"] |= config
    return json.dumps(content).encode()


def test_what_others_build_upon_an_image_of_ours_is_not_ours(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    load_image(engine, archive(tmp_path, "r1"))
    first = images.images[0]
    images.images.append(KeptImage(derived(first, Entrypoint=["/x"]), first.layers, set(), first.promised))
    theirs = images.id_of(images.images[1])

    assert identify_image(engine, theirs).recipe == ""
    assert [image.engine_id for image in prune_images(engine, ()).removed] == [images.id_of(first)]
    assert [images.id_of(image) for image in images.images] == [theirs]


def test_pruning_keeps_what_a_lock_gives_what_is_used_and_what_others_named(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    ids = {
        recipe: load_image(engine, archive(tmp_path, recipe, f"{recipe:9}" * 500))
        for recipe in ("current", "old", "used", "kept", "named")
    }
    images.used.append(ids["used"])
    named = images.find(ids["named"])
    assert named is not None
    images.tag(named, "somebody/else:1")
    kept_id = identify_image(engine, ids["kept"]).image_id

    planned = prune_images(engine, ("current",), (kept_id,), dry_run=True)
    assert len(images.images) == 5
    done = prune_images(engine, ("current",), (kept_id,))

    assert planned == done
    assert [image.engine_id for image in done.removed] == [ids["old"]]
    assert [image.engine_id for image in done.in_use] == [ids["used"]]
    assert [image.engine_id for image in done.others] == [ids["named"]]
    assert {images.id_of(image) for image in images.images} == set(ids.values()) - {ids["old"]}
    # The lower layer is every image's: only the upper one's room is free again.
    assert done.freed_bytes == (tmp_path / "motd.tar").stat().st_size


@pytest.mark.parametrize(
    ("tag", "goes"),
    [
        (f"lmac/demo:{LOCK[:12]}", True),
        (f"localhost/lmac/demo:{LOCK[:12]}", True),
        (f"docker.io/lmac/demo:{LOCK[:12]}", True),
        (f"registry.example/lmac/demo:{LOCK[:12]}", False),
        ("lmac/other:1", False),
        ("lmac-demo:1", False),
    ],
)
def test_a_tag_that_loading_gave_keeps_no_image(
    images: ImageEngine, engine: Engine, tmp_path: Path, tag: str, goes: bool
) -> None:
    engine_id = load_image(engine, archive(tmp_path, "r1", tag=tag))

    assert [image.engine_id for image in prune_images(engine, ()).removed] == [engine_id] * goes


def test_pruning_by_name_leaves_other_names(images: ImageEngine, engine: Engine, tmp_path: Path) -> None:
    load_image(engine, archive(tmp_path / "a", "r1"))
    other = load_image(engine, archive(tmp_path / "b", "r2", name="other"))

    prune_images(engine, (), names=("demo",))

    assert [images.id_of(image) for image in images.images] == [other]


def test_an_engine_that_gives_other_bytes_than_its_configuration_names_is_found_out(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    engine_id = load_image(engine, archive(tmp_path, "r1"))
    assert prove_content(engine, engine_id, tmp_path / "cache").holds

    (image,) = images.images
    image.layers[1] = image.layers[1].replace(b"hello", b"hallo")

    with pytest.raises(ImageMismatch, match="layer 2"):
        prove_content(engine, engine_id, tmp_path / "cache")


def test_an_image_is_saved_in_the_same_bytes_from_the_cache_and_from_any_engine(
    engine: Engine, tmp_path: Path
) -> None:
    path = archive(tmp_path, "r1")
    engine_id = load_image(engine, path)
    image_id = image_id_of(path)

    assert save_image(engine, engine_id, tmp_path / "saved.tar", tmp_path / "cache") == image_id
    assert save_archive(path, tmp_path / "copied.tar", tmp_path / "cache") == image_id

    assert (
        (tmp_path / "saved.tar").read_bytes() == path.read_bytes() == (tmp_path / "copied.tar").read_bytes()
    )
    assert not [left for left in tmp_path.iterdir() if "partial" in left.name]


def test_a_full_disk_is_no_failure_of_the_engine(engine: Engine, tmp_path: Path) -> None:
    engine_id = load_image(engine, archive(tmp_path, "r1", "long" * 100_000))

    with pytest.raises(OSError, match="No space left"):
        export_image(engine, engine_id, Path("/dev/full"))


def test_no_file_is_overwritten_by_an_archive(engine: Engine, tmp_path: Path) -> None:
    path = archive(tmp_path, "r1")
    (tmp_path / "mine.tar").write_text("mine")

    with pytest.raises(ImageError, match=r"mine\.tar exists already"):
        save_archive(path, tmp_path / "mine.tar", tmp_path / "cache")

    assert (tmp_path / "mine.tar").read_text() == "mine"
    with pytest.raises(ImageError, match=r"there is no folder .*none"):
        save_archive(path, tmp_path / "none" / "mine.tar", tmp_path / "cache")


def test_a_kept_archive_is_loaded_by_its_id_alone_and_cannot_take_anothers_tag(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    path = archive(tmp_path, "r1", tag="python:3.11")
    with pytest.raises(ImageMismatch, match=r"holds image sha256:.*, not sha256:0000"):
        load_archive(engine, path, "sha256:" + "0" * 64, tmp_path / "cache")
    assert images.images == []

    engine_id = load_archive(engine, path, image_id_of(path), tmp_path / "cache")

    assert [(images.id_of(image), image.tags) for image in images.images] == [
        (engine_id, {f"lmac/demo:{LOCK[:12]}"})
    ]


def test_what_an_engine_is_given_has_no_header_that_it_might_read_in_another_way(
    images: ImageEngine, engine: Engine, tmp_path: Path
) -> None:
    """An extended header could give a member another name to the engine than to us."""
    path = archive(tmp_path, "r1")
    image_id = image_id_of(path)
    hostile = io.BytesIO()
    with tarfile.open(path) as source, tarfile.open(fileobj=hostile, mode="w") as target:
        for info in source.getmembers():
            target.addfile(info, source.extractfile(info))
        fake = tarfile.TarInfo("decoy")
        fake.pax_headers = {"path": "manifest.json"}
        content = json.dumps([{"Config": "no", "Layers": [], "RepoTags": ["python:3.11"]}]).encode()
        fake.size = len(content)
        target.addfile(fake, io.BytesIO(content))
    (tmp_path / "hostile.tar").write_bytes(hostile.getvalue())

    load_archive(engine, tmp_path / "hostile.tar", image_id, tmp_path / "cache")

    (image,) = images.images
    assert image.config_id == image_id
    assert image.tags == {f"lmac/demo:{LOCK[:12]}"}
