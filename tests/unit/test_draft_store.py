"""A draft shows the store as it would be, and writes nothing of it."""

from __future__ import annotations

import pytest

from lmac.file_store import FileStore
from lmac.file_store.draft import DraftStore
from lmac_sandbox import FileMissing
from memory_keeper import MemoryKeeper


@pytest.fixture
def draft() -> DraftStore:
    base = FileStore(MemoryKeeper())
    base.write("a.py", b"A = 1\n")
    base.write("pack/b.py", b"B = 1\n")
    return DraftStore(base)


def test_a_file_that_a_draft_writes_or_deletes_is_there_or_missing_as_the_store_would_have_it(
    draft: DraftStore,
) -> None:
    draft.write("new/c.py", b"C = 1\n")
    draft.write("other/d.py", b"")
    draft.delete("other/d.py")
    draft.delete("a.py")

    asked = ("a.py", "pack", "pack/b.py", "new", "new/c.py", "other", "other/d.py", "e.py")
    assert draft.missing(asked) == ("a.py", "other", "other/d.py", "e.py")
    assert draft.paths() == ("new/c.py", "pack/b.py")
    with pytest.raises(FileMissing):
        draft.read("a.py")


def test_what_stands_in_a_draft_changes_nothing_of_the_store_and_has_the_digest_that_it_would(
    draft: DraftStore,
) -> None:
    keeper = MemoryKeeper()
    keeper.write("pack/b.py", b"B = 2\n")
    draft.write("pack/b.py", b"B = 2\n")
    draft.delete("a.py")

    assert draft.overlay_digest({}) == keeper.digest()
    assert dict(draft.files()) == keeper.files
    assert draft._base.paths() == ("a.py", "pack/b.py")
