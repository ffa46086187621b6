"""Archives: an id that follows from the configuration, and damage that is seen."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
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


def test_a_pipe_in_the_place_of_an_archive_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")

    with pytest.raises(ImageMismatch, match=r"pipe\.tar .*no regular file"):
        read_archive(tmp_path / "pipe.tar")


def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path, _, _ = archive(tmp_path)
    whole = path.read_bytes()

    for length in range(0, len(whole) - 512, 128):
        path.write_bytes(whole[:length])
        with pytest.raises(ImageMismatch, match=r"image\.tar"):
            read_archive(path)


def test_no_flipped_byte_of_content_or_configuration_is_accepted_under_the_same_id(tmp_path: Path) -> None:
    path, image_id, _ = archive(tmp_path)
    whole = path.read_bytes()

    for place in range(0, len(whole), 61):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            read = read_archive(path)
        except ImageMismatch:
            continue
        # Padding, the tag, or the outer file's own header: nothing that the id stands for.
        assert (read.image_id == image_id) is (read.config == read_config(whole))


def read_config(whole: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        member = tar.extractfile(tar.getmembers()[1])
        assert member is not None
        return member.read()


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Change the members of an archive, which is written anew."""
    with tarfile.open(path) as tar:
        contents = {one.name: (tar.extractfile(one) or io.BytesIO()).read() for one in tar.getmembers()}
    change(contents)
    with tarfile.open(path, "w") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def manifest_with(**changes: object) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        (manifest,) = json.loads(contents["manifest.json"])
        contents["manifest.json"] = json.dumps([manifest | changes]).encode()

    return change


@pytest.mark.parametrize(
    "change",
    [
        manifest_with(Config="/etc/passwd"),
        manifest_with(Config=["odd"]),
        manifest_with(Layers=[]),
        manifest_with(Layers=["layer-0.tar"] * 1000),
        manifest_with(Layers={"odd": 1}),
        lambda contents: contents.update({"manifest.json": b"[" * 100_000}),
        lambda contents: contents.update({"manifest.json": b"[]"}),
        lambda contents: contents.update({"manifest.json": b"[{}, {}]"}),
        lambda contents: contents.update({"manifest.json": b" " * (2 << 20)}),
        lambda contents: contents.pop("manifest.json"),
        lambda contents: contents.pop("layer-0.tar"),
    ],
    ids=range(11),
)
def test_a_manifest_that_lies_is_refused(tmp_path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    path, _, _ = archive(tmp_path)
    rewritten(path, change)

    with pytest.raises(ImageMismatch, match=r"image\.tar") as caught:
        read_archive(path)

    assert len(caught.value.message) < 500 + len(str(path))


def appended(path: Path, **fields: object) -> None:
    info = tarfile.TarInfo("odd")
    for field, value in fields.items():
        setattr(info, field, value)
    with tarfile.open(path, "a", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(b"x" * info.size) if info.isreg() else None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": tarfile.CHRTYPE}, "no folder, link or regular file"),
        ({"type": tarfile.GNUTYPE_SPARSE}, "no folder, link or regular file"),
        ({"name": "manifest.json"}, "two of its members"),
        ({"name": "n" * 70_000}, "a header of 70"),
    ],
)
def test_a_member_that_no_archive_of_an_image_has_is_refused(
    tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    path, _, _ = archive(tmp_path)
    appended(path, **fields)

    with pytest.raises(ImageMismatch, match=said):
        read_archive(path)


def test_a_size_larger_than_the_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path, _, _ = archive(tmp_path)
    header = tarfile.TarInfo("huge")
    header.size = 1 << 60
    path.write_bytes(path.read_bytes()[:-1024] + header.tobuf(tarfile.GNU_FORMAT))

    with pytest.raises(ImageMismatch, match="cut off"):
        read_archive(path)


def test_a_layer_that_an_engine_wrote_once_and_linked_to_is_read(tmp_path: Path) -> None:
    path, image_id, _ = archive(tmp_path)

    def move(contents: dict[str, bytes]) -> None:
        contents["a/layer.tar"] = contents.pop("layer-0.tar")
        manifest_with(Layers=["b/layer.tar"])(contents)

    rewritten(path, move)
    appended(path, name="b/layer.tar", type=tarfile.SYMTYPE, linkname="../a/layer.tar")

    assert read_archive(path).image_id == image_id
