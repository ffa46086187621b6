"""What image.yaml and lock.yaml may say, and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmac_sandbox.errors import ImageError
from lmac_sandbox.image_definition import (
    Lock,
    LockedPackage,
    PackageKind,
    read_definition,
    read_lock,
    write_lock,
)

SHIPPED = Path(__file__).parents[2] / "images" / "python"
IMAGES = sorted(path.parent for path in SHIPPED.parent.glob("*/image.yaml"))
DASH = LockedPackage(
    kind=PackageKind.DEB, name="dash", version="0.5.12-2", file="dash.deb", size_bytes=9, sha256="a" * 64
)
RUFF = LockedPackage(
    kind=PackageKind.WHEEL, name="ruff", version="0.17.6", file="ruff.whl", size_bytes=9, sha256="b" * 64
)
LOCK = Lock(architecture="amd64", packages=(DASH, RUFF))


def altered(folder: Path, before: str, after: str) -> Path:
    text = (SHIPPED / "image.yaml").read_text(encoding="utf-8")
    assert before in text
    (folder / "image.yaml").write_text(text.replace(before, after, 1), encoding="utf-8")
    return folder


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_a_shipped_image_asks_for_what_its_lock_holds(folder: Path) -> None:
    definition, lock = read_definition(folder), read_lock(folder)

    debs = {package.name for package in lock.of(PackageKind.DEB)}
    wheels = {package.name for package in lock.of(PackageKind.WHEEL)}
    assert set(definition.debian_packages) <= debs
    assert not set(definition.debian_excluded) & debs
    assert set(definition.python_packages) <= wheels


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_no_shipped_lock_names_an_address(folder: Path) -> None:
    assert "//" not in (folder / "lock.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_every_shipped_lock_pins_its_layers(folder: Path) -> None:
    assert None not in read_lock(folder).layer_pins


def test_the_node_of_the_image_is_debians_own() -> None:
    (node,) = (package for package in read_lock(SHIPPED.parent / "node").packages if package.name == "nodejs")

    assert node.version.startswith("18.")
    assert "~deb12u" in node.version


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("name: python", "name: ../python", "name"),
        ("  - python3.11", "  - --allow-downgrades", "debian_packages.0"),
        ("  - pytest", "  - pytest @ file:x", "python_packages.1"),
        ("job: {uid: 60580,", "job: {uid: -1,", "users.job.uid"),
        ("count: 300", "count: 301", "users.judge: has numbers of 'job' too"),
        ("uid: 60580", "uid: 65500", "users.job: the last of 300 is 65799; none passes 65533"),
        ("count: 300", "count: 0", "users.job.count"),
        ("/opt/lmac: ", "/opt/../lmac: ", "folders./opt/../lmac"),
        ('/tmp: "1777"', '/tmp: "4777"', "folders./tmp"),
        ("owner: keeper", "owner: nobody", "folder /store: owner 'nobody' is none of `users`"),
        ("environment:", "privileged: true\nenvironment:", "privileged"),
        ("dropped:", "dropt:", "dropped"),
    ],
)
def test_a_wrong_value_is_refused_by_file_and_key(tmp_path: Path, before: str, after: str, key: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_definition(altered(tmp_path, before, after))

    assert str(tmp_path / "image.yaml") in caught.value.message
    assert key in caught.value.message


@pytest.mark.parametrize("text", ["{", "!!python/object/apply:os.getcwd []", "", "- a list", "\x00"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "image.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(ImageError, match=r"image\.yaml"):
        read_definition(tmp_path)


def test_a_missing_lock_names_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        read_lock(tmp_path)

    assert "lmac images lock" in caught.value.next_step


def test_a_lock_written_is_the_lock_read(tmp_path: Path) -> None:
    write_lock(tmp_path, LOCK)

    assert read_lock(tmp_path) == LOCK
    assert [path.name for path in tmp_path.iterdir()] == ["lock.yaml"]


def test_a_lock_is_the_same_whatever_the_order_of_its_packages(tmp_path: Path) -> None:
    shuffled = Lock(architecture="amd64", packages=(RUFF, DASH))
    write_lock(tmp_path, LOCK)
    first = (tmp_path / "lock.yaml").read_bytes()
    write_lock(tmp_path, shuffled)

    assert (tmp_path / "lock.yaml").read_bytes() == first
    assert shuffled.digest() == LOCK.digest()


def test_a_lock_with_another_digest_is_another_lock() -> None:
    other = Lock(architecture="amd64", packages=(DASH, RUFF.model_copy(update={"sha256": "c" * 64})))

    assert other.digest() != LOCK.digest()
