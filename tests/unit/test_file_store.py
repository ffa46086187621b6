"""The store goes back to what it was, at the cost of what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmac.errors import SandboxFailure
from lmac.file_store import FileStore
from lmac.file_store.undo_log import UndoLog
from lmac_sandbox import StoreError, StoreLimits
from memory_keeper import MemoryKeeper

PATHS = st.sampled_from(["a", "a/b", "a/c", "d/e/f", "g.py"])
CHANGES = st.lists(st.tuples(PATHS, st.one_of(st.none(), st.binary(max_size=3))), max_size=8)


class WatchedKeeper(MemoryKeeper):
    """Counts what it is asked."""

    def __init__(self, limits: StoreLimits | None = None) -> None:
        super().__init__(limits)
        self.asked: list[str] = []

    def write(self, path: str, content: bytes) -> str:
        self.asked.append(f"write {path}")
        return super().write(path, content)

    def read(self, path: str) -> bytes:
        self.asked.append(f"read {path}")
        return super().read(path)


def change(store: FileStore, path: str, content: bytes | None) -> None:
    try:
        if content is None:
            store.delete(path)
        else:
            store.write(path, content)
    except StoreError:
        # What is refused changes nothing.
        return


@given(st.lists(CHANGES, min_size=1, max_size=5), st.lists(st.integers(0, 4), max_size=6), CHANGES)
def test_a_store_goes_back_and_forth_between_its_checkpoints(
    steps: list[list[tuple[str, bytes | None]]],
    returns: list[int],
    between: list[tuple[str, bytes | None]],
) -> None:
    keeper = MemoryKeeper()
    store = FileStore(keeper)
    seen = []
    for step in steps:
        for path, content in step:
            change(store, path, content)
        seen.append((store.checkpoint(), dict(keeper.files)))
    for place in returns:
        checkpoint, files = seen[place % len(seen)]
        assert store.restore(checkpoint) == checkpoint.digest == keeper.digest()
        assert keeper.files == files
        assert store.paths() == tuple(sorted(files))
        for path, content in between:
            change(store, path, content)


def test_going_back_costs_what_changed() -> None:
    keeper = WatchedKeeper()
    for number in range(500):
        keeper.files[f"pkg/m{number}.py"] = b"x"
    store = FileStore(keeper)
    checkpoint = store.checkpoint()
    for content in (b"1", b"2", b"3"):
        store.write("pkg/m7.py", content)
    store.write("new.py", b"")
    keeper.asked.clear()
    store.restore(checkpoint)

    assert keeper.asked == ["read new.py", "write pkg/m7.py"]


def test_without_a_checkpoint_nothing_is_read_before_a_write() -> None:
    keeper = WatchedKeeper()
    store = FileStore(keeper)
    store.write("a", b"1")
    store.write("a", b"2")

    assert keeper.asked == ["write a", "write a"]


def test_a_full_store_goes_back() -> None:
    store = FileStore(MemoryKeeper(StoreLimits(store_bytes=12, store_files=4, file_bytes=10)))
    store.write("a", b"x" * 10)
    store.write("b", b"x" * 2)
    checkpoint = store.checkpoint()
    store.write("a", b"x" * 2)
    store.write("b", b"x" * 10)

    assert store.restore(checkpoint) == checkpoint.digest


def test_a_folder_gives_way_to_the_file_that_stood_there() -> None:
    store = FileStore(MemoryKeeper())
    store.write("a", b"file")
    checkpoint = store.checkpoint()
    store.delete("a")
    store.write("a/b", b"below")
    store.restore(checkpoint)

    assert store.paths() == ("a",)
    assert store.missing(["a", "a/b"]) == ("a/b",)


def test_what_passes_the_memory_of_the_log_lies_in_a_file_that_has_no_name() -> None:
    log = UndoLog(memory_bytes=4)
    first = log.mark("one")
    log.note("a", lambda: b"1234")
    log.note("b", lambda: b"5678")
    log.note("c", lambda: None)

    assert log.changed_since(first) == {"a": b"1234", "b": b"5678", "c": None}


def test_a_forgotten_checkpoint_is_a_fault_and_no_wrong_store() -> None:
    store = FileStore(MemoryKeeper())
    checkpoint = store.checkpoint()
    store.write("a", b"1")
    store.forget_checkpoints()
    later = store.checkpoint()
    store.write("a", b"2")

    with pytest.raises(SandboxFailure, match="forgotten"):
        store.restore(checkpoint)
    assert store.restore(later) == later.digest


def test_a_keeper_that_says_another_digest_is_not_believed() -> None:
    class Lying(MemoryKeeper):
        def digest(self) -> str:
            return "another" if self.files == {"a": b"1"} and self.lies else super().digest()

        lies = False

    keeper = Lying()
    store = FileStore(keeper)
    store.write("a", b"1")
    checkpoint = store.checkpoint()
    store.write("a", b"2")
    keeper.lies = True

    with pytest.raises(SandboxFailure, match="went back to another"):
        store.restore(checkpoint)


def folders(paths: Iterator[str]) -> Callable[[str], bool]:
    held = tuple(paths)
    return lambda path: path in held or any(other.startswith(f"{path}/") for other in held)


@given(CHANGES)
def test_files_and_their_folders_are_there_and_nothing_else(
    changes: list[tuple[str, bytes | None]],
) -> None:
    keeper = MemoryKeeper()
    store = FileStore(keeper)
    for path, content in changes:
        change(store, path, content)
    asked = ["a", "a/b", "d", "d/e", "d/e/f", "g.py", "nowhere", ""]
    is_there = folders(iter(keeper.files))

    assert store.missing(asked) == tuple(path for path in asked if not is_there(path))
