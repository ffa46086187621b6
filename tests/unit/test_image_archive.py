"""Archives: an id that follows from the configuration, and damage that is seen."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from lmac_sandbox.errors import ImageMismatch
from lmac_sandbox.image_archive import RECIPE_LABEL, image_config, read_archive, write_archive
from lmac_sandbox.image_tree import LayerTree


def archive(folder: Path, text: str = "hello") -> tuple[Path, str, str]:
    """An archive of one layer, with its id and its layer's digest."""
    layer = folder / "layer.tar"
    tree = LayerTree(spool := (folder / "spool").open("w+b"))
    tree.add_text("/etc/motd", text)
    tree.write(layer)
    spool.close()
    digest = f"sha256:{hashlib.sha256(layer.read_bytes()).hexdigest()}"
    config = image_config("amd64", {"TZ": "UTC"}, {RECIPE_LABEL: "r"}, [digest])
    path = folder / "image.tar"
    return path, write_archive(path, config, [layer], "lmac/x:1"), digest


def test_an_archive_tells_the_id_that_writing_it_gave(tmp_path: Path) -> None:
    path, image_id, layer_digest = archive(tmp_path)

    facts = read_archive(path)

    assert facts.image_id == image_id
    assert facts.layer_digests == (layer_digest,)
    assert (facts.tag, facts.recipe) == ("lmac/x:1", "r")


def test_the_same_layers_give_the_same_archive(tmp_path: Path) -> None:
    path, image_id, _ = archive(tmp_path)
    first = path.read_bytes()

    assert archive(tmp_path)[1] == image_id
    assert path.read_bytes() == first


def test_other_content_gives_another_id(tmp_path: Path) -> None:
    assert archive(tmp_path)[1] != archive(tmp_path, "other")[1]


def test_a_changed_byte_in_a_layer_is_seen(tmp_path: Path) -> None:
    path, _, _ = archive(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"hello", b"hallo"))

    with pytest.raises(ImageMismatch, match="layers"):
        read_archive(path)


@pytest.mark.parametrize("content", [b"", b"no tar" * 200, io.BytesIO(b"\0" * 2048).getvalue()])
def test_what_is_no_archive_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.tar"
    path.write_bytes(content)

    with pytest.raises(ImageMismatch, match=r"odd\.tar"):
        read_archive(path)


def test_a_missing_archive_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ImageMismatch, match=r"gone\.tar"):
        read_archive(tmp_path / "gone.tar")


def test_half_an_archive_is_refused(tmp_path: Path) -> None:
    path, _, _ = archive(tmp_path)
    path.write_bytes(path.read_bytes()[:2048])

    with pytest.raises(ImageMismatch):
        read_archive(path)
