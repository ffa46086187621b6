"""The keeper's index over a store that another keeper has left."""

from __future__ import annotations

from pathlib import Path

from lmac_sandbox import store_digest
from lmac_sandbox.inside.keeper import Store
from lmac_sandbox.inside.namespace import Caps

CAPS = Caps(store_bytes=1000, store_files=10, file_bytes=100)


def test_files_that_are_there_are_in_the_index_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_bytes(b"a")
    store = Store(str(tmp_path), CAPS)

    assert store.read("pkg/a.py") == b"a"
    assert store.digest() == store_digest({"pkg/a.py": b"a"})


def test_what_an_interrupted_write_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "kept.py").write_bytes(b"kept")
    (tmp_path / "new" / "deeper").mkdir(parents=True)
    (tmp_path / "new" / "deeper" / ".lmac-new").write_bytes(b"half")
    store = Store(str(tmp_path), CAPS)

    assert store.digest() == store_digest({"kept.py": b"kept"})
    assert [path.name for path in tmp_path.iterdir()] == ["kept.py"]
    assert store.write({"new": b"a file"}) == store_digest({"kept.py": b"kept", "new": b"a file"})
