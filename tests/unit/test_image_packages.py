"""Fetching: through the real pip against an index in a folder, so that every ending can be made to happen."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from lmac_sandbox.errors import ImageError, ImageMismatch, PackageUnavailable
from lmac_sandbox.image_definition import Lock, LockedPackage, PackageKind
from lmac_sandbox.image_lock import compare_locks
from lmac_sandbox.packages import fetch, fetch_wheel

PYTHON = "3.11"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, as a user's own configuration would have it."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def publish(index: Path, name: str, text: str = "x = 1\n") -> LockedPackage:
    """Put a wheel of version 1.0 into the index and return what a lock says of it."""
    path = index / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    content = path.read_bytes()
    return LockedPackage(
        kind=PackageKind.WHEEL,
        name=name,
        version="1.0",
        file=path.name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def lock_of(*packages: LockedPackage) -> Lock:
    return Lock(architecture="amd64", packages=packages)


def left_behind(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.name.startswith("partial-")]


def test_what_is_fetched_lies_under_its_digest_and_is_not_fetched_again(index: Path, tmp_path: Path) -> None:
    lock = lock_of(publish(index, "alpha"), publish(index, "beta"))
    told: list[tuple[int, int]] = []
    cache = tmp_path / "cache"

    paths = fetch(lock, PYTHON, cache, lambda done, total, name: told.append((done, total)))
    for wheel in index.iterdir():
        wheel.unlink()

    assert [path.name for path in paths] == [package.sha256 for package in lock.packages]
    assert told == [(0, 2), (2, 2)]
    assert fetch(lock, PYTHON, cache) == paths
    assert left_behind(cache) == []


def test_a_damaged_file_of_the_cache_is_fetched_again(index: Path, tmp_path: Path) -> None:
    lock = lock_of(publish(index, "alpha"))
    (path,) = fetch(lock, PYTHON, tmp_path / "cache")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])

    fetch(lock, PYTHON, tmp_path / "cache")

    assert path.read_bytes() == whole


def test_a_version_that_vanished_is_named_with_what_to_do(index: Path, tmp_path: Path) -> None:
    here, gone = publish(index, "alpha"), publish(index, "beta")
    (index / gone.file).unlink()

    with pytest.raises(PackageUnavailable, match=r"beta 1\.0") as caught:
        fetch(lock_of(here, gone), PYTHON, tmp_path / "cache")

    assert "lmac images lock" in caught.value.next_step
    assert "lmac images load" in caught.value.next_step
    assert left_behind(tmp_path / "cache") == []


def test_a_wheel_with_other_bytes_than_locked_is_never_kept(index: Path, tmp_path: Path) -> None:
    locked = publish(index, "alpha")
    publish(index, "alpha", "x = 2\n")

    with pytest.raises(PackageUnavailable, match=r"alpha 1\.0"):
        fetch(lock_of(locked), PYTHON, tmp_path / "cache")
    with pytest.raises(ImageMismatch, match=locked.sha256):
        fetch_wheel("alpha", "1.0", locked.sha256, tmp_path / "cache")

    assert not (tmp_path / "cache" / "packages").exists()


def test_a_single_wheel_is_fetched_by_name_or_digest_and_then_found(index: Path, tmp_path: Path) -> None:
    package = publish(index, "alpha")
    first = fetch_wheel("alpha", "1.0", None, tmp_path / "cache")
    (index / package.file).unlink()

    assert first.name == package.sha256
    assert fetch_wheel("alpha", "1.0", None, tmp_path / "cache") == first
    assert fetch_wheel("alpha", "1.0", package.sha256, tmp_path / "cache") == first


def test_a_wheel_that_is_nowhere_is_unavailable(index: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageUnavailable, match="nowhere"):
        fetch_wheel("nowhere", "1.0", None, tmp_path / "cache")


def test_a_name_that_looks_like_an_option_is_only_a_name(index: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageUnavailable, match="Invalid requirement"):
        fetch_wheel("--version", "1.0", None, tmp_path / "cache")


def test_a_cache_that_cannot_be_made_is_named(index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ImageError, match="file"):
        fetch(lock_of(publish(index, "alpha")), PYTHON, tmp_path / "file" / "cache")


def test_two_locks_are_compared_by_what_came_went_and_changed(index: Path) -> None:
    stays, goes, comes = (publish(index, name) for name in ("alpha", "beta", "gamma"))
    renewed = stays.model_copy(update={"version": "1.1", "sha256": "0" * 64})

    change = compare_locks(lock_of(stays, goes), lock_of(renewed, comes))

    assert change.changed == ("wheel alpha 1.0 -> 1.1",)
    assert change.removed == ("wheel beta 1.0",)
    assert change.added == ("wheel gamma 1.0",)
    assert not compare_locks(lock_of(stays), lock_of(stays))


def test_a_new_version_of_the_same_bytes_is_a_change(index: Path) -> None:
    package = publish(index, "alpha")

    change = compare_locks(lock_of(package), lock_of(package.model_copy(update={"version": "1.1"})))

    assert change.changed == ("wheel alpha 1.0 -> 1.1",)


def test_a_layer_that_was_pinned_to_other_bytes_is_a_change(index: Path) -> None:
    lock = lock_of(publish(index, "alpha"))
    pinned, repinned = (lock.model_copy(update={"wheels_sha256": digit * 64}) for digit in "12")

    assert compare_locks(pinned, repinned).layers == ("Python packages",)
    assert compare_locks(lock, pinned).layers == ()
