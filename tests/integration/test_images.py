"""The shipped image, built from the real mirrors and run by the real engine.

Packages stay in the user's cache between test runs, as they do between a user's runs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lmac.inputs import cache_folder
from lmac_sandbox.engine import Engine
from lmac_sandbox.errors import ImageMismatch, ImageNotFound, PackageUnavailable
from lmac_sandbox.image_archive import read_archive
from lmac_sandbox.image_definition import read_lock
from lmac_sandbox.images import (
    BuiltImage,
    build_image,
    expected_image_id,
    find_image,
    load_image,
    refresh_lock,
)
from lmac_sandbox.packages import fetch

pytestmark = pytest.mark.engine

SHIPPED = Path(__file__).parents[2] / "images" / "python"
CACHE = cache_folder(os.environ) / "images"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Definition and programs as they are now: someone may edit the checkout while the tests run."""
    folder = tmp_path_factory.mktemp("frozen")
    shutil.copytree(SHIPPED, folder / "python")
    shutil.copytree(Path(__file__).parents[2] / "sandbox" / "lmac_sandbox" / "inside", folder / "inside")
    return folder


@pytest.fixture(scope="module")
def built(engine: Engine, frozen: Path) -> BuiltImage:
    return build_image(frozen / "python", CACHE, engine, programs_folder=frozen / "inside")


@pytest.fixture(scope="module")
def image_id(engine: Engine, built: BuiltImage) -> str:
    return load_image(engine, built.archive_path)


def run(engine: Engine, image_id: str, *argv: str) -> str:
    """What a program in the image prints, with nothing but a read-only root."""
    output = engine.client.containers.run(
        image_id,
        list(argv),
        network_mode="none",
        read_only=True,
        remove=True,
        user="60580:60580",
        stderr=True,
    )
    return output.decode()


def cache_without_builds(folder: Path) -> Path:
    """A cache that holds the packages but nothing that was made of them."""
    folder.mkdir()
    (folder / "packages").symlink_to(CACHE / "packages")
    return folder


def test_a_build_in_another_place_from_a_shuffled_lock_gives_the_same_id(
    engine: Engine, built: BuiltImage, frozen: Path, tmp_path: Path
) -> None:
    other = tmp_path / "another name"
    shutil.copytree(frozen / "python", other)
    lock = yaml.safe_load((other / "lock.yaml").read_text())
    random.Random(3).shuffle(lock["packages"])
    (other / "lock.yaml").write_text(yaml.safe_dump(lock))

    started = time.monotonic()
    again = build_image(
        other, cache_without_builds(tmp_path / "cache"), engine, programs_folder=frozen / "inside"
    )
    seconds = time.monotonic() - started

    assert again.image_id == built.image_id
    assert again.layer_digests == built.layer_digests
    assert seconds < 15


def test_the_engine_shows_the_id_that_the_build_predicted(image_id: str, built: BuiltImage) -> None:
    assert image_id == built.image_id
    assert read_archive(built.archive_path).image_id == image_id


def test_the_expected_id_is_known_within_milliseconds(built: BuiltImage, frozen: Path) -> None:
    started = time.monotonic()
    expected = expected_image_id(frozen / "python", CACHE, frozen / "inside")

    assert expected == built.image_id
    assert time.monotonic() - started < 0.1


def test_another_program_makes_another_image(built: BuiltImage, frozen: Path, tmp_path: Path) -> None:
    shutil.copytree(frozen / "inside", tmp_path / "inside")
    (tmp_path / "inside" / "more.py").write_text("MORE = 1\n")

    assert expected_image_id(frozen / "python", CACHE, tmp_path / "inside") is None


def test_building_leaves_no_stage_image_in_the_engine(engine: Engine, built: BuiltImage) -> None:
    tags = [tag for image in engine.client.images.list(name="lmac/python") for tag in image.tags]

    assert [tag for tag in tags if "-stage-" in tag] == []


def test_the_image_is_small(engine: Engine, image_id: str, built: BuiltImage) -> None:
    assert built.size_bytes < 170 * MEGABYTE
    assert engine.client.images.get(image_id).attrs["Size"] < 170 * MEGABYTE


def test_the_interpreter_has_its_whole_library_and_pytest(engine: Engine, image_id: str) -> None:
    program = (
        "import asyncio, bz2, ctypes, curses, lzma, multiprocessing, readline, sqlite3, ssl, uuid, zlib\n"
        "import pytest, zoneinfo\n"
        "zoneinfo.ZoneInfo('Europe/Berlin'); sqlite3.connect(':memory:').execute('select 1'); print('whole')"
    )

    assert run(engine, image_id, "python3", "-I", "-c", program) == "whole\n"


def test_modules_come_from_bytecode(engine: Engine, image_id: str) -> None:
    program = "import json, pytest; print(json.__cached__, pytest.__cached__)"
    cached = run(engine, image_id, "python3", "-I", "-B", "-c", program).split()

    check = "import os, sys; print(all(os.path.exists(path) for path in sys.argv[1:]))"
    assert run(engine, image_id, "python3", "-I", "-c", check, *cached) == "True\n"


def test_ruff_runs(engine: Engine, image_id: str) -> None:
    assert run(engine, image_id, "ruff", "--version").startswith("ruff ")


def test_a_shell_and_plain_tools_are_there(engine: Engine, image_id: str) -> None:
    assert run(engine, image_id, "sh", "-c", "id -un && cat /etc/hostname >/dev/null && pwd") == "job\n/\n"


INSPECT = """
import json, os, shutil, stat
special, writable = [], []
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/dev")]
    for name in files + folders:
        path = os.path.join(folder, name)
        mode = os.lstat(path).st_mode
        if mode & (stat.S_ISUID | stat.S_ISGID):
            special.append(path)
        if mode & stat.S_IWOTH and not stat.S_ISLNK(mode):
            writable.append(path)
tools = "apt apt-get dpkg pip pip3 gcc cc as ld make perl su mount tar".split()
print(json.dumps({"special": special, "writable": writable, "tools": [t for t in tools if shutil.which(t)]}))
"""


def test_nothing_is_setuid_or_writable_and_no_tool_installs_or_compiles(
    engine: Engine, image_id: str
) -> None:
    found = json.loads(run(engine, image_id, "python3", "-I", "-c", INSPECT))

    assert found == {"special": [], "writable": ["/tmp"], "tools": []}


@pytest.mark.parametrize("module", ["pip", "ensurepip", "setuptools"])
def test_no_python_package_manager_is_there(engine: Engine, image_id: str, module: str) -> None:
    program = f"import importlib.util as u; print(u.find_spec({module!r}))"

    assert run(engine, image_id, "python3", "-I", "-c", program) == "None\n"


def test_users_and_folders_of_the_contract_exist(engine: Engine, image_id: str) -> None:
    program = (
        "import os, pwd; found = {}; [found.setdefault(u[0], []).append(u) for u in pwd.getpwall()];"
        "print([(name, users[0].pw_uid, len(users), users[0].pw_dir) for name, users in found.items()],"
        " [os.path.isdir(p) for p in ('/store', '/scratch', '/opt/lmac/inside')])"
    )

    assert run(engine, image_id, "python3", "-I", "-c", program) == (
        "[('root', 0, 1, '/'), ('job', 60580, 300, '/scratch'), ('judge', 60880, 300, '/judge'),"
        " ('keeper', 65531, 1, '/store')] [True, True, True]\n"
    )


def test_our_programs_load_without_touching_the_import_path(
    engine: Engine, image_id: str, frozen: Path
) -> None:
    program = (
        "import runpy, sys, importlib; before = list(sys.path);"
        "start = runpy.run_path('/opt/lmac/inside/start.py'); start['load_package']();"
        "importlib.import_module('lmac_inside.store_digest');"
        "print(sys.path == before, 'inside' in sys.modules)"
    )

    assert run(engine, image_id, "python3", "-I", "-B", "-c", program) == "True False\n"


def test_loading_again_changes_nothing(engine: Engine, image_id: str, built: BuiltImage) -> None:
    assert load_image(engine, built.archive_path) == image_id


def test_an_image_is_found_by_id_and_by_tag(engine: Engine, built: BuiltImage) -> None:
    image_id = load_image(engine, built.archive_path)

    assert find_image(engine, image_id) == image_id
    assert find_image(engine, read_archive(built.archive_path).tag) == image_id


@pytest.mark.parametrize("reference", ["sha256:" + "0" * 64, "lmac/none:1", "NOT a reference"])
def test_an_image_that_the_engine_lacks_names_the_next_step(engine: Engine, reference: str) -> None:
    with pytest.raises(ImageNotFound, match=reference) as caught:
        find_image(engine, reference)

    assert "lmac setup" in caught.value.next_step


def test_a_damaged_archive_never_reaches_the_engine(
    engine: Engine, built: BuiltImage, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.tar"
    shutil.copy(built.archive_path, damaged)
    with damaged.open("r+b") as stream:
        stream.seek(built.size_bytes // 2)
        stream.write(b"damage")

    with pytest.raises(ImageMismatch, match=r"damaged\.tar"):
        load_image(engine, damaged)


def test_bytecode_other_than_locked_is_refused(engine: Engine, frozen: Path, tmp_path: Path) -> None:
    other = tmp_path / "python"
    shutil.copytree(frozen / "python", other)
    lock = yaml.safe_load((other / "lock.yaml").read_text())
    lock["bytecode_sha256"] = "0" * 64
    (other / "lock.yaml").write_text(yaml.safe_dump(lock))

    with pytest.raises(ImageMismatch, match="0000 as the lock says"):
        build_image(
            other, cache_without_builds(tmp_path / "cache"), engine, programs_folder=frozen / "inside"
        )


def test_locking_resolves_everything_from_the_hosts_own_mirrors(frozen: Path, tmp_path: Path) -> None:
    definition = tmp_path / "python"
    shutil.copytree(frozen / "python", definition)
    (definition / "lock.yaml").unlink()

    change = refresh_lock(definition, CACHE)

    lock = read_lock(definition)
    assert len(change.added) == len(lock.packages)
    assert {"python3.11", "libc6", "pytest", "ruff"} <= {package.name for package in lock.packages}


def test_a_debian_version_that_vanished_is_named_with_what_to_do(frozen: Path, tmp_path: Path) -> None:
    lock = read_lock(frozen / "python")
    dash = next(package for package in lock.packages if package.name == "dash")
    gone = dash.model_copy(update={"version": "0.0.1-1", "sha256": "0" * 64})

    with pytest.raises(PackageUnavailable, match=r"deb dash 0\.0\.1-1 cannot be fetched") as caught:
        fetch(lock.model_copy(update={"packages": (gone,)}), "3.11", tmp_path / "cache")

    assert "superseded" in caught.value.next_step
    assert "lmac images lock" in caught.value.next_step
