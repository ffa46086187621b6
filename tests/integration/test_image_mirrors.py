"""Packages from a mirror that the user's own configuration of apt and pip names, held against the lock."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lmac_sandbox.errors import EngineFailure, ImageMismatch, PackageUnavailable
from lmac_sandbox.image_definition import Lock, LockedPackage, read_lock
from lmac_sandbox.images import refresh_lock
from lmac_sandbox.packages import fetch
from package_mirror import PackageMirror
from sandbox_fixtures import IMAGES
from stalling_proxy import StallingProxy

PYTHON = "3.11"
DEFINITION = """
name: tiny
python_version: "3.11"
debian_packages: [demo]
debian_excluded: []
python_packages: [alpha]
dropped: []
links: {}
users: {}
folders: {}
texts: {}
files: {}
environment: {}
"""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageMirror:
    made = PackageMirror(tmp_path / "mirror")
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


def lock_of(*packages: LockedPackage) -> Lock:
    return Lock(architecture="amd64", packages=packages)


def test_both_kinds_come_from_the_users_own_mirror(mirror: PackageMirror, tmp_path: Path) -> None:
    lock = lock_of(mirror.publish_deb("demo", "1.0"), mirror.publish_wheel("alpha"))

    paths = fetch(lock, PYTHON, tmp_path / "cache")

    assert [path.name for path in paths] == [package.sha256 for package in lock.packages]


def test_a_superseded_version_is_named_with_what_to_do(mirror: PackageMirror, tmp_path: Path) -> None:
    gone = mirror.publish_deb("demo", "1.0")
    mirror.publish_deb("demo", "1.1")

    with pytest.raises(PackageUnavailable, match=r"deb demo 1\.0 cannot be fetched") as caught:
        fetch(lock_of(gone), PYTHON, tmp_path / "cache")

    for said in (
        "superseded",
        "lmac images load FILE",
        "lmac images lock NAME",
        "mirror that still has them",
    ):
        assert said in caught.value.next_step


def test_other_bytes_under_the_same_version_are_not_used(mirror: PackageMirror, tmp_path: Path) -> None:
    locked = mirror.publish_deb("demo", "1.0")
    mirror.publish_deb("demo", "1.0", "other bytes")

    with pytest.raises(ImageMismatch, match=rf"deb demo 1\.0: .* not the locked sha256 {locked.sha256}"):
        fetch(lock_of(locked), PYTHON, tmp_path / "cache")


def test_a_lock_tells_what_changed(mirror: PackageMirror, tmp_path: Path) -> None:
    definition = tmp_path / "tiny"
    definition.mkdir()
    (definition / "image.yaml").write_text(DEFINITION)
    mirror.publish_deb("demo", "1.0")
    mirror.publish_wheel("alpha")

    first = refresh_lock(definition, tmp_path / "cache")
    mirror.publish_deb("demo", "1.1")
    second = refresh_lock(definition, tmp_path / "cache")
    third = refresh_lock(definition, tmp_path / "cache")

    assert first.added == ("deb demo 1.0", "wheel alpha 1.0")
    assert second.changed == ("deb demo 1.0 -> 1.1",)
    assert second.lock_digest == third.lock_digest == read_lock(definition).digest() != first.lock_digest
    assert not third


LOCKING = """
import sys
from pathlib import Path
from lmac_sandbox import Engine
from lmac_sandbox.images import refresh_lock
with Engine.connect(sys.argv[3]) as engine:
    refresh_lock(Path(sys.argv[1]), Path(sys.argv[2]), engine)
"""


@pytest.mark.engine
def test_a_lock_that_is_killed_anywhere_leaves_the_old_one(mirror: PackageMirror, tmp_path: Path) -> None:
    definition = tmp_path / "tiny"
    definition.mkdir()
    (definition / "image.yaml").write_text(DEFINITION)
    mirror.publish_deb("demo", "1.0")
    mirror.publish_wheel("alpha")
    refresh_lock(definition, tmp_path / "cache")
    before = (definition / "lock.yaml").read_bytes()
    mirror.publish_deb("demo", "1.1")

    with StallingProxy("/images/load", stalls=99) as proxy:
        for seconds in (0.3, 0.8, 1.3, 1.8, 60.0):
            process = subprocess.Popen(
                [sys.executable, "-c", LOCKING, definition, tmp_path / "cache", proxy.url],
                env={**os.environ, **mirror.variables},
                start_new_session=True,
            )
            until = time.monotonic() + seconds
            while time.monotonic() < until and not proxy.stalled:
                time.sleep(0.02)
            # With its apt or pip, which would hold a lock of their own for a while.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert (definition / "lock.yaml").read_bytes() == before

        # The last one was far enough to have everything but what the engine gives.
        assert proxy.stalled

    assert sorted(path.name for path in definition.iterdir()) == ["image.yaml", "lock.yaml"]


@pytest.mark.engine
def test_a_lock_whose_image_cannot_be_built_is_not_written(mirror: PackageMirror, tmp_path: Path) -> None:
    """These packages hold no interpreter."""
    from lmac_sandbox import Engine

    definition = shutil.copytree(IMAGES / "text", tmp_path / "tiny")
    (definition / "image.yaml").write_text(DEFINITION)
    before = (definition / "lock.yaml").read_bytes()
    mirror.publish_deb("demo", "1.0")
    mirror.publish_wheel("alpha")

    with Engine.connect() as engine, pytest.raises(EngineFailure, match="compil"):
        refresh_lock(definition, tmp_path / "cache", engine)

    assert (definition / "lock.yaml").read_bytes() == before
