"""A keeper that dies once is replaced with every file; the second death ends the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import pytest

from lmac_sandbox import (
    Box,
    Engine,
    EngineFailure,
    Keeper,
    LastingKeeper,
    Limits,
    Owner,
    PathRejected,
    StoreKind,
    StoreLimits,
    Volume,
    store_digest,
)

pytestmark = pytest.mark.engine

FILES = {f"pkg/m{n}.py": b"x = %d\n" % n for n in range(20)}
TOLD: list[str] = []


@pytest.fixture(params=list(StoreKind))
def limits(request: pytest.FixtureRequest) -> StoreLimits:
    return replace(StoreLimits(), kind=request.param)


@pytest.fixture
def volume(engine: Engine, owner: Owner, limits: StoreLimits) -> Iterator[Volume]:
    with Volume.create(engine, owner, limits) as made:
        yield made


@pytest.fixture
def keeper(
    engine: Engine, volume: Volume, image_id: str, owner: Owner, limits: StoreLimits
) -> Iterator[LastingKeeper]:
    TOLD.clear()

    def start() -> Keeper:
        return Keeper.start(engine, volume, image_id, owner, limits)

    with LastingKeeper(start, limits.kind, TOLD.append) as started:
        for path, content in FILES.items():
            started.write(path, content)
        yield started


def kill(engine: Engine, owner: Owner) -> None:
    """As the kernel does that runs out of memory."""
    for container_id in engine.containers(owner.labels("keeper")):
        engine.remove_container(container_id)


def test_files_that_were_written_together_outlive_their_keeper(
    keeper: LastingKeeper, engine: Engine, owner: Owner
) -> None:
    more = {f"more/{number}.txt": b"%d" % number for number in range(30)}
    digest = keeper.write_many(more)
    kill(engine, owner)

    assert dict(keeper.read_all()) == {**FILES, **more}
    assert keeper.digest() == digest
    with pytest.raises(PathRejected):
        keeper.write_many({"good.txt": b"", "../bad.txt": b""})
    assert keeper.digest() == digest


def test_a_keeper_that_died_is_replaced_once_and_no_file_is_lost(
    keeper: LastingKeeper, engine: Engine, owner: Owner
) -> None:
    """No box holds the volume here, so a store in memory is empty by then."""
    kill(engine, owner)

    digest = keeper.write("main.py", b"on")

    assert digest == store_digest(FILES | {"main.py": b"on"})
    assert dict(keeper.read_all()) == FILES | {"main.py": b"on"}
    assert len(TOLD) == 1

    kill(engine, owner)
    with pytest.raises(EngineFailure, match="for the second time"):
        keeper.read("main.py")


def test_what_a_box_still_holds_is_found_again(
    keeper: LastingKeeper, engine: Engine, volume: Volume, image_id: str, owner: Owner
) -> None:
    box = Box.start(engine, volume, image_id, owner, Limits())
    try:
        kill(engine, owner)

        assert keeper.delete("pkg/m0.py") == store_digest(dict(list(FILES.items())[1:]))
        assert box.snapshot().store_digest == keeper.digest()
    finally:
        box.remove()


def test_a_refusal_is_no_death(keeper: LastingKeeper) -> None:
    with pytest.raises(PathRejected):
        keeper.write("../up", b"")

    assert keeper.digest() == store_digest(FILES)
    assert TOLD == []


def test_files_of_a_disk_that_are_gone_with_their_keeper_end_the_run(
    engine: Engine, image_id: str, owner: Owner
) -> None:
    limits = replace(StoreLimits(), kind=StoreKind.DISK)
    with Volume.create(engine, owner, limits) as volume, Volume.create(engine, owner, limits) as empty:
        volumes = iter((volume, empty))

        def start() -> Keeper:
            return Keeper.start(engine, next(volumes), image_id, owner, limits)

        with LastingKeeper(start, limits.kind) as keeper:
            keeper.write("main.py", b"x")
            kill(engine, owner)

            with pytest.raises(EngineFailure, match=r"1 files were lost .* such as 'main\.py'"):
                keeper.read("main.py")


class Slow:
    """A keeper that answers no more, and is not dead: it makes its last change when it is told to go."""

    def __init__(self, keeper: Keeper, change: Callable[[Keeper], object]) -> None:
        self._keeper = keeper
        self._change = change

    def close(self) -> None:
        self._change(self._keeper)
        self._keeper.close()

    def __getattr__(self, name: str) -> object:
        raise EngineFailure("it did not answer in time")


def slowed(keeper: LastingKeeper, change: Callable[[Keeper], object]) -> None:
    keeper._keeper = cast("Keeper", Slow(keeper._keeper, change))


def test_what_a_slow_keeper_does_until_its_end_is_known_to_the_second(keeper: LastingKeeper) -> None:
    late = b"late"
    slowed(keeper, lambda first: first.write("late.py", late))

    assert keeper.digest() == store_digest(FILES | {"late.py": late})
    assert dict(keeper.read_all()) == FILES | {"late.py": late}


def test_a_replacement_that_fails_half_way_leaves_no_store_to_believe_in(keeper: LastingKeeper) -> None:
    def fail(first: Keeper) -> None:
        first.close()
        raise EngineFailure("the engine is gone")

    slowed(keeper, fail)
    with pytest.raises(EngineFailure, match="the engine is gone"):
        keeper.digest()

    for ask in (keeper.digest, keeper.list, lambda: keeper.write("main.py", b"on")):
        with pytest.raises(EngineFailure, match="no second one took over"):
            ask()
