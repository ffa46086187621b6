"""The keeper: writing, reading, and the digest that each write returns."""

from __future__ import annotations

import io
import tarfile
from itertools import count

from bench.figures import Measured, figure, median_seconds
from bench.stage import Stage, staged
from lmac_sandbox import StoreLimits

KILOBYTE = 1000
MANY = 1000
LARGE, SMALL = 10_000, 10
LARGE_STORE = StoreLimits(store_files=LARGE + 100)


@figure("ms", at_most=2)
def keeper_write_1_ms() -> Measured:
    """One file of 1 kB, changed each time, with the digest of the store."""
    with staged() as stage:
        numbers = count()
        mine = median_seconds(50, lambda: stage.keeper.write("a.py", _content(next(numbers))))
        return Measured(mine * 1000, f"the engine's archive call {_archive_seconds(stage, 1) * 1000:.1f} ms")


@figure("ms", at_most=100)
def keeper_write_1000_ms() -> Measured:
    """A thousand files of 1 kB at once, changed each time."""
    with staged() as stage:
        numbers = count()
        mine = median_seconds(5, lambda: stage.keeper.write_many(_files(MANY, next(numbers))))
        return Measured(
            mine * 1000, f"the engine's archive call {_archive_seconds(stage, MANY) * 1000:.0f} ms"
        )


@figure("ms", at_most=100)
def keeper_read_1000_ms() -> Measured:
    """A thousand files of 1 kB, listed and read back."""
    with staged() as stage:
        files = _files(MANY, 0)
        stage.keeper.write_many(files)
        mine = median_seconds(5, lambda: dict(stage.keeper.read_all()))
        assert dict(stage.keeper.read_all()) == files
        return Measured(mine * 1000)


@figure("x", at_most=2)
def digest_ratio_10000_to_10() -> Measured:
    """One write in a store of 10,000 files, against one in a store of 10."""
    small, large = _write_ms(SMALL), _write_ms(LARGE)
    return Measured(large / small, f"{large:.2f} ms against {small:.2f} ms")


def _write_ms(files: int) -> float:
    with staged(LARGE_STORE) as stage:
        stage.keeper.write_many(_files(files, 0))
        numbers = count(1)
        return 1000 * median_seconds(100, lambda: stage.keeper.write("d0/f0.py", _content(next(numbers))))


def _files(files: int, salt: int) -> dict[str, bytes]:
    return {f"d{number % 50}/f{number}.py": _content(number + salt) for number in range(files)}


def _content(number: int) -> bytes:
    return f"# {number:08}\n".encode().ljust(KILOBYTE, b"x")


def _archive_seconds(stage: Stage, files: int) -> float:
    """The same files through the engine, into the keeper's container."""
    (keeper_id,) = stage.engine.containers(stage.owner.labels("keeper"))
    archive = _archive(files)
    with stage.engine.call("put an archive") as client:
        return median_seconds(5, lambda: client.api.put_archive(keeper_id, "/store", archive))


def _archive(files: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in _files(files, 7).items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
