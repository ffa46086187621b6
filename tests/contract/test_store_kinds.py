"""What every kind of store must do: the same bytes, refusals and digests in memory and on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lmac_sandbox import (
    Box,
    Ending,
    Engine,
    FileMissing,
    Job,
    Keeper,
    Limits,
    Owner,
    PathRejected,
    StoreFull,
    StoreKind,
    StoreLimits,
    Volume,
    store_digest,
)
from lmac_sandbox.limits import MIB
from lmac_sandbox.policy import keeper_memory_bytes

pytestmark = pytest.mark.engine

FILES = {"main.py": b"print('hello')\n", "pkg/deep/er/x.bin": bytes(range(256)) * 100, "empty": b""}
SMALL = StoreLimits(store_bytes=1 * MIB, store_files=20, file_bytes=MIB // 2)


@pytest.fixture(params=list(StoreKind))
def limits(request: pytest.FixtureRequest) -> StoreLimits:
    return replace(SMALL, kind=request.param)


@pytest.fixture
def volume(engine: Engine, owner: Owner, limits: StoreLimits) -> Iterator[Volume]:
    with Volume.create(engine, owner, limits) as made:
        yield made


@pytest.fixture
def keeper(
    engine: Engine, volume: Volume, image_id: str, owner: Owner, limits: StoreLimits
) -> Iterator[Keeper]:
    with Keeper.start(engine, volume, image_id, owner, limits) as started:
        yield started


def test_bytes_written_are_bytes_read_and_the_digest_is_theirs(keeper: Keeper) -> None:
    assert keeper.digest() == store_digest({}), "what the image has at that place is not copied"
    assert keeper.write_many(FILES) == store_digest(FILES)
    assert dict(keeper.read_all()) == FILES

    keeper.delete("pkg/deep/er/x.bin")
    assert keeper.digest() == store_digest({path: FILES[path] for path in ("main.py", "empty")})
    with pytest.raises(FileMissing):
        keeper.read("pkg/deep/er/x.bin")


def test_limits_and_paths_are_refused_before_anything_changes(keeper: Keeper) -> None:
    before = keeper.write("a", b"x" * (MIB // 2))

    for refused in ({"b": b"x" * (MIB // 2 + 1)}, {"b": b"x" * (MIB // 2), "c": b"x"}):
        with pytest.raises(StoreFull):
            keeper.write_many(refused)
    with pytest.raises(StoreFull):
        keeper.write_many({f"f{n}": b"" for n in range(20)})
    with pytest.raises(PathRejected):
        keeper.write("../up", b"")
    assert keeper.digest() == before


def test_a_second_keeper_finds_what_the_first_one_wrote(
    engine: Engine, volume: Volume, image_id: str, owner: Owner, keeper: Keeper, limits: StoreLimits
) -> None:
    digest = keeper.write_many(FILES)

    with Keeper.start(engine, volume, image_id, owner, limits) as second:
        keeper.close()
        assert second.digest() == digest
        assert second.write("main.py", b"on") == store_digest(FILES | {"main.py": b"on"})


def test_a_box_copies_the_store_and_cannot_write_it(
    engine: Engine, volume: Volume, image_id: str, owner: Owner, keeper: Keeper
) -> None:
    digest = keeper.write_many(FILES)
    box = Box.start(engine, volume, image_id, owner, Limits())
    try:
        assert box.snapshot().store_digest == digest
        result = box.run(Job(("sh", "-c", "cat main.py; touch /store/x; chmod 777 /store; ls -ld /store")))
    finally:
        box.remove()

    assert (result.ending, result.exit_code) == (Ending.EXITED, 0)
    assert "drwxr-xr-x" in result.stdout.text()
    assert result.stderr.text().count("Read-only file system") == 2
    assert keeper.digest() == digest


def test_a_disk_keeps_the_files_when_no_container_holds_the_volume(
    engine: Engine, image_id: str, owner: Owner
) -> None:
    limits = replace(SMALL, kind=StoreKind.DISK)
    with Volume.create(engine, owner, limits) as volume:
        with Keeper.start(engine, volume, image_id, owner, limits) as first:
            digest = first.write_many(FILES)
        with Keeper.start(engine, volume, image_id, owner, limits) as second:
            assert second.digest() == digest
            assert dict(second.read_all()) == FILES


@pytest.mark.slow
def test_a_store_on_a_disk_may_be_larger_than_the_keepers_memory(
    engine: Engine, image_id: str, owner: Owner
) -> None:
    limits = StoreLimits(kind=StoreKind.DISK, store_bytes=400 * MIB, store_files=100, file_bytes=4 * MIB)
    assert keeper_memory_bytes(limits) < limits.store_bytes / 2
    files = {f"d/f{n}": bytes([n]) * (4 * MIB) for n in range(40)}
    with Volume.create(engine, owner, limits) as volume:
        with Keeper.start(engine, volume, image_id, owner, limits) as first:
            digests = [first.write(path, content) for path, content in files.items()]
        with Keeper.start(engine, volume, image_id, owner, limits) as second:
            assert second.digest() == digests[-1]
            assert second.read("d/f39") == files["d/f39"]
