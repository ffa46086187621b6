"""The store through its keeper, on a real engine."""

from __future__ import annotations

import signal
import time
from types import FrameType

import pytest

from lmac_sandbox import (
    Engine,
    EngineFailure,
    FileMissing,
    Keeper,
    Owner,
    PathRejected,
    StoreFull,
    StoreLimits,
    Volume,
    store_digest,
)

pytestmark = pytest.mark.engine

FILES = {
    "main.py": b"print('hello')\n",
    "pkg/__init__.py": b"",
    "pkg/deep/er/Übung.txt": "schön\n".encode(),
    "raw.bin": bytes(range(256)) * 100,
}


def test_bytes_written_are_bytes_read(keeper: Keeper) -> None:
    digest = keeper.write_many(FILES)

    assert dict(keeper.read_all()) == FILES
    assert digest == keeper.digest() == store_digest(FILES)
    assert [(entry.path, entry.size_bytes) for entry in keeper.list()] == sorted(
        (path, len(content)) for path, content in FILES.items()
    )


def test_replacing_and_deleting_leave_the_digest_of_what_is_there(keeper: Keeper) -> None:
    keeper.write_many(FILES)

    assert keeper.write("main.py", b"new") == store_digest(FILES | {"main.py": b"new"})
    keeper.delete("main.py")
    without = {path: content for path, content in FILES.items() if path != "main.py"}
    assert keeper.digest() == store_digest(without)


def test_a_folder_that_a_delete_emptied_may_become_a_file(keeper: Keeper) -> None:
    keeper.write("a/b/c.py", b"x")
    keeper.delete("a/b/c.py")

    assert keeper.write("a", b"file") == store_digest({"a": b"file"})


def test_a_missing_file_is_named(keeper: Keeper) -> None:
    with pytest.raises(FileMissing, match=r"nothing\.py"):
        keeper.read("nothing.py")
    with pytest.raises(FileMissing):
        keeper.delete("../../etc/passwd")


@pytest.mark.parametrize(
    "path",
    ["../up", "/etc/passwd", "a\x00b", ".git/hooks/x", "a\nb", "MAIN.py", "main.py/x", "\ud800"],
    ids=ascii,
)
def test_a_rejected_path_changes_nothing_of_a_whole_batch(keeper: Keeper, path: str) -> None:
    before = keeper.write("main.py", b"x")

    with pytest.raises(PathRejected):
        keeper.write_many({"good.py": b"y", path: b"z"})

    assert keeper.digest() == before


def test_a_path_whose_every_character_needs_an_escape_is_rejected_like_any_other(keeper: Keeper) -> None:
    with pytest.raises(PathRejected, match="longer than"):
        keeper.write("\U0001f600" * 250, b"")
    with pytest.raises(FileMissing):
        keeper.read("\U0001f600" * 250)

    assert keeper.digest() == store_digest({})


def test_a_full_store_refuses_and_keeps_what_it_has(engine: Engine, image_id: str, owner: Owner) -> None:
    limits = StoreLimits(store_bytes=1000, store_files=3, file_bytes=600)
    with (
        Volume.create(engine, owner, limits) as volume,
        Keeper.start(engine, volume, image_id, owner, limits) as keeper,
    ):
        before = keeper.write("a", b"x" * 600)
        for refused in ({"b": b"x" * 601}, {"b": b"x" * 401}, dict.fromkeys("bcd", b"")):
            with pytest.raises(StoreFull):
                keeper.write_many(refused)

        assert keeper.digest() == before
        assert keeper.write("a", b"y" * 600) == store_digest({"a": b"y" * 600})


def test_a_file_that_no_frame_can_carry_is_refused_like_any_other_that_is_too_long(keeper: Keeper) -> None:
    with pytest.raises(StoreFull, match="a file may have"):
        keeper.write("large.bin", bytes(30 * 2**20))

    assert keeper.digest() == store_digest({})


def test_a_store_filled_to_its_limits_fits_on_its_volume(engine: Engine, image_id: str, owner: Owner) -> None:
    limits = StoreLimits(store_bytes=2**20, store_files=200, file_bytes=2**18)
    files = {f"d{n}/f.txt": b"x" * 5242 for n in range(199)} | {"last": b"y" * 100}
    with (
        Volume.create(engine, owner, limits) as volume,
        Keeper.start(engine, volume, image_id, owner, limits) as keeper,
    ):
        assert keeper.write_many(files) == store_digest(files)


def test_a_batch_larger_than_a_frame_goes_through(keeper: Keeper) -> None:
    files = {f"big{n}.bin": bytes([n]) * 2**20 for n in range(10)}

    assert keeper.write_many(files) == store_digest(files)
    assert sum(len(content) for _, content in keeper.read_all()) == 10 * 2**20


def test_another_keeper_finds_the_files_that_a_box_has_held(
    engine: Engine, volume: Volume, image_id: str, owner: Owner
) -> None:
    first = Keeper.start(engine, volume, image_id, owner, StoreLimits())
    digest = first.write_many(FILES)
    # Two at once never write in earnest; here the first only keeps the volume in use.
    with Keeper.start(engine, volume, image_id, owner, StoreLimits()) as second:
        first.close()

        assert second.digest() == digest


def test_what_a_keeper_wrote_is_found_by_the_next_one_after_an_interrupted_exchange(
    engine: Engine, volume: Volume, image_id: str, owner: Owner
) -> None:
    with Keeper.start(engine, volume, image_id, owner, StoreLimits()) as first:
        digest = first.write_many(FILES)
        interrupt_in_an_exchange(first)
        with pytest.raises(EngineFailure, match="closed or broken"):
            first.digest()
        with Keeper.start(engine, volume, image_id, owner, StoreLimits()) as second:
            first.close()

            assert dict(second.read_all()) == FILES
            assert second.digest() == digest
            assert second.write("main.py", b"on") == store_digest(FILES | {"main.py": b"on"})


def interrupt_in_an_exchange(keeper: Keeper) -> None:
    """Ask until a signal breaks in while an answer is being waited for."""

    def interrupt(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_name == "_receive":
                raise KeyboardInterrupt
            frame = frame.f_back

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.007)
    try:
        with pytest.raises(KeyboardInterrupt):
            for _ in iter(keeper.digest, ""):
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_keeper_that_is_gone_is_an_engine_failure_at_once(
    keeper: Keeper, engine: Engine, owner: Owner
) -> None:
    for container_id in engine.containers(owner.labels("keeper")):
        engine.remove_container(container_id)
    started = time.monotonic()

    with pytest.raises(EngineFailure):
        keeper.digest()
    with pytest.raises(EngineFailure, match="closed or broken"):
        keeper.digest()
    assert time.monotonic() - started < 5


def test_a_thousand_files_are_written_and_read_in_a_fraction_of_a_second(keeper: Keeper) -> None:
    files = {f"pkg{n % 20}/module_{n}.py": b"x = 1\n" * 150 for n in range(1000)}
    started = time.perf_counter()
    keeper.write_many(files)
    written = time.perf_counter()

    assert dict(keeper.read_all()) == files
    assert written - started < 1.0
    assert time.perf_counter() - written < 1.0
