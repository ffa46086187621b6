"""Layers: the same bytes from the same packages, and nothing in them that an image should not have."""

from __future__ import annotations

import io
import lzma
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lmac_sandbox.errors import ImageError
from lmac_sandbox.image_tree import LayerTree
from lmac_sandbox.package_files import add_deb, add_wheel
from lmac_sandbox.tar_format import CLAMPED_TIME


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def deb(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], packing: str = "xz") -> Path:
    """A Debian package with these files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    packed = lzma.compress(data.getvalue())
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", f"data.tar.{packing}": packed}
    content = b"!<arch>\n"
    for name, body in parts.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n"
        content += header.encode() + body + b"\n" * (len(body) % 2)
    path.write_bytes(content)
    return path


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def layer(tmp_path: Path, fill: Callable[[LayerTree], None], dropped: tuple[str, ...] = ()) -> bytes:
    with tempfile.TemporaryFile() as spool:
        tree = LayerTree(spool, dropped)
        fill(tree)
        tree.write(tmp_path / "layer.tar")
    return (tmp_path / "layer.tar").read_bytes()


def layer_of(tmp_path: Path, *packages: Path) -> bytes:
    """A layer of these Debian packages."""

    def fill(tree: LayerTree) -> None:
        for package in packages:
            add_deb(tree, package)

    return layer(tmp_path, fill)


def members(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {info.name: info for info in tar.getmembers()}


def text_of(content: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        stream = tar.extractfile(name)
        assert stream is not None
        return stream.read()


def test_a_layer_is_the_same_whatever_the_order_of_its_packages(tmp_path: Path) -> None:
    debs = [
        deb(tmp_path / f"{number}.deb", [member(f"./usr/share/{number}/file", b"x" * number)])
        for number in range(20)
    ]
    first = layer_of(tmp_path, *debs)
    random.Random(7).shuffle(debs)

    assert layer_of(tmp_path, *debs) == first


def test_owners_times_and_setuid_bits_of_a_package_do_not_reach_the_image(tmp_path: Path) -> None:
    package = deb(
        tmp_path / "su.deb", [member("./bin/su", b"elf", mode=0o6755, uid=7, gid=8, uname="joe", mtime=123)]
    )
    found = members(layer_of(tmp_path, package))["usr/bin/su"]

    assert (found.mode, found.uid, found.gid, found.uname) == (0o755, 0, 0, "root")
    assert found.mtime == CLAMPED_TIME


def test_a_folder_of_ours_may_belong_to_a_user_and_what_lies_above_it_does_not(tmp_path: Path) -> None:
    found = members(layer(tmp_path, lambda tree: tree.add_folder("/srv/store", 0o750, owner_uid=65531)))

    assert [(item.uid, item.gid, item.mode) for item in (found["srv"], found["srv/store"])] == [
        (0, 0, 0o755),
        (65531, 65531, 0o750),
    ]


def test_old_places_become_places_below_usr_with_every_parent(tmp_path: Path) -> None:
    package = deb(tmp_path / "a.deb", [member("./lib/x86_64-linux-gnu/libc.so.6", b"elf")])

    found = members(layer_of(tmp_path, package))

    assert list(found) == ["usr", "usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/libc.so.6"]


def test_hard_links_carry_the_content_of_what_they_name(tmp_path: Path) -> None:
    link = member("./usr/bin/perl5", type=tarfile.LNKTYPE, linkname="./usr/bin/perl")
    package = deb(tmp_path / "a.deb", [member("./usr/bin/perl", b"elf", mode=0o755), link])

    content = layer_of(tmp_path, package)

    assert text_of(content, "usr/bin/perl5") == b"elf"
    assert members(content)["usr/bin/perl5"].isreg()


def test_dropped_patterns_leave_files_out(tmp_path: Path) -> None:
    package = deb(tmp_path / "a.deb", [member("./usr/share/doc/a/copyright", b"c"), member("./etc/a", b"a")])

    found = members(layer(tmp_path, lambda tree: add_deb(tree, package), ("usr/share/doc/*",)))

    assert list(found) == ["etc", "etc/a"]


def test_two_packages_with_the_same_file_are_refused(tmp_path: Path) -> None:
    one, two = (deb(tmp_path / f"{name}.deb", [member("./etc/a", name.encode())]) for name in ("one", "two"))

    with pytest.raises(ImageError, match="etc/a"):
        layer_of(tmp_path, one, two)


@pytest.mark.parametrize("name", ["../etc/passwd", "./usr/../../x"])
def test_a_package_that_climbs_is_refused(tmp_path: Path, name: str) -> None:
    package = deb(tmp_path / "a.deb", [member(name, b"x")])

    with pytest.raises(ImageError, match=r"\.\."):
        layer_of(tmp_path, package)


def test_a_device_node_is_refused(tmp_path: Path) -> None:
    package = deb(tmp_path / "a.deb", [member("./dev/mem", type=tarfile.CHRTYPE)])

    with pytest.raises(ImageError, match="dev/mem"):
        layer_of(tmp_path, package)


def test_a_package_packed_with_zstd_is_refused_by_that_word(tmp_path: Path) -> None:
    package = deb(tmp_path / "a.deb", [member("./etc/a")], packing="zst")

    with pytest.raises(ImageError, match=r"data\.tar\.zst"):
        layer_of(tmp_path, package)


@pytest.mark.parametrize("content", [b"", b"no package", b"!<arch>\n"])
def test_what_is_no_debian_package_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.deb"
    path.write_bytes(content)

    with pytest.raises(ImageError, match=r"a\.deb"):
        layer_of(tmp_path, path)


def test_a_wheel_is_placed_as_an_installer_would(tmp_path: Path) -> None:
    files = {"a/__init__.py": b"a", "a-1.data/scripts/tool": b"t", "a-1.data/purelib/b.py": b"b"}
    package = wheel(tmp_path / "a.whl", files)

    found = members(layer(tmp_path, lambda tree: add_wheel(tree, package)))

    assert found["usr/bin/tool"].mode == 0o755
    assert found["usr/lib/python3/dist-packages/a/__init__.py"].mode == 0o644
    assert "usr/lib/python3/dist-packages/b.py" in found


@pytest.mark.parametrize("name", ["../a.py", "a-1.data/headers/a.h"])
def test_a_wheel_with_a_file_that_has_no_place_is_refused(tmp_path: Path, name: str) -> None:
    package = wheel(tmp_path / "a.whl", {name: b"x"})

    with pytest.raises(ImageError, match="holds"):
        layer(tmp_path, lambda tree: add_wheel(tree, package))


def test_long_paths_survive_and_longer_ones_are_refused(tmp_path: Path) -> None:
    path = "/".join(["p" * 40] * 4)
    content = layer(tmp_path, lambda tree: tree.add_text(path, "x"))

    assert text_of(content, path) == b"x"
    with pytest.raises(ImageError, match="too long"):
        layer(tmp_path, lambda tree: tree.add_text("p" * 101, "x"))
