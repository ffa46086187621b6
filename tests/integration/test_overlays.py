"""A candidate lies over a box's copy of the store; the store itself knows nothing of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from lmac.checks import TestCheck
from lmac.evaluator import Evaluator
from lmac.file_store import FileStore
from lmac_sandbox import (
    OVERLAY_BYTES,
    Box,
    Engine,
    EngineFailure,
    FileMissing,
    Job,
    Keeper,
    Limits,
    Overlay,
    Owner,
    PathRejected,
    Pool,
    Reuse,
    StoreFull,
    StoreLimits,
    Volume,
    WarmBox,
    store_digest,
)

pytestmark = pytest.mark.engine

STORE = {"a.py": b"A = 1\n", "pkg/b.py": b"B = 1\n", "pkg/deep/c.py": b"", "test_a.py": b""}
OVERLAYS: dict[str, Overlay] = {
    "a new file in new folders": {"x/y/z.py": b"1"},
    "a file replaced and one deleted": {"a.py": b"A = 2\n", "pkg/deep/c.py": None},
    "a file where a folder was": {"pkg/b.py": None, "pkg/deep/c.py": None, "pkg": b"file"},
    "a folder where a file was": {"a.py": None, "a.py/b": b""},
    "nothing left": dict.fromkeys(STORE),
}
HOSTILE: dict[str, tuple[Overlay, type[Exception]]] = {
    "out of the store": ({"../home/x": b""}, PathRejected),
    "absolute": ({"/store/x": b""}, PathRejected),
    "a folder of git": ({".git/config": b""}, PathRejected),
    "the keeper's own names": ({".lmac-new": b""}, PathRejected),
    "a deletion out of the store": ({"../../store/a.py": None}, PathRejected),
    "below a file": ({"a.py/x": b""}, PathRejected),
    "a twin in capitals": ({"A.PY": b""}, PathRejected),
    "a deletion of what is not there": ({"nothing.py": None}, FileMissing),
    "too large a file": ({"x": bytes(StoreLimits().file_bytes + 1)}, StoreFull),
    "too large together": ({f"x{n}": bytes(2**20) for n in range(OVERLAY_BYTES // 2**20 + 1)}, StoreFull),
    "too many files": ({f"x{n}": b"" for n in range(StoreLimits().store_files + 1)}, StoreFull),
}


LIST = """
import base64, os
for folder, _, names in os.walk("."):
    for name in names:
        path = os.path.join(folder, name)
        print(path, base64.b64encode(open(path, "rb").read()).decode())
"""
LEAVE_LINKS = """
import os, shutil
shutil.rmtree("pkg")
os.remove("a.py")
os.symlink("/tmp", "pkg")
os.symlink("/tmp/target", "a.py")
"""
FIND_LINKS = """
import os
print(os.listdir("/tmp"), [name for name in os.listdir(".") if os.path.islink(name)])
"""


@pytest.fixture
def warm(engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner) -> Iterator[WarmBox]:
    def start() -> Box:
        return Box.start(engine, volume, image_id, owner, Limits(), sessions=False, reuse=Reuse.RUN)

    with Pool(engine, volume, image_id, owner, Limits()), WarmBox(start) as box:
        yield box


def with_overlay(overlay: Overlay) -> dict[str, bytes]:
    files: dict[str, bytes | None] = {**STORE, **overlay}
    return {path: content for path, content in files.items() if content is not None}


def listed(box: Box) -> dict[str, str]:
    out = box.run(Job(("/usr/bin/python3", "-c", LIST))).stdout.text()
    return dict(line.partition(" ")[::2] for line in out.splitlines())


@pytest.mark.parametrize("name", OVERLAYS)
def test_box_and_keeper_agree_on_an_overlay_that_nobody_writes(
    name: str, keeper: Keeper, warm: WarmBox
) -> None:
    overlay, before = OVERLAYS[name], keeper.write_many(STORE)
    expected = store_digest(with_overlay(overlay))
    with warm.take() as box:
        snapshot = box.snapshot(overlay)
        found = listed(box)
        again = box.snapshot()

    assert keeper.overlay_digest(overlay) == snapshot.digest == expected
    assert snapshot.store_digest == again.digest == keeper.digest() == before
    assert found == {
        f"./{path}": base64.b64encode(content).decode() for path, content in with_overlay(overlay).items()
    }
    assert dict(keeper.read_all()) == STORE


@pytest.mark.parametrize("name", HOSTILE)
def test_the_keeper_refuses_an_overlay_that_it_would_not_write_and_is_as_before(
    name: str, keeper: Keeper
) -> None:
    overlay, refusal = HOSTILE[name]
    before = keeper.write_many(STORE)
    with pytest.raises(refusal):
        keeper.overlay_digest(overlay)

    assert keeper.digest() == before
    assert [entry.path for entry in keeper.list()] == sorted(STORE)
    assert keeper.overlay_digest({"a.py": b"A = 1\n"}) == before


@pytest.mark.parametrize("path", ["../home/x", "/store/x", ".git/config", "a.py/x", "A.PY", "x/../y", ""])
def test_a_box_keeps_the_rules_by_itself(path: str, keeper: Keeper, box: Box) -> None:
    keeper.write_many(STORE)
    frame: dict[str, object] = {"op": "snapshot", "overlay": {"files": {path: ""}, "deleted": []}}

    with pytest.raises(EngineFailure, match=r"the box failed: .*(has|is|clashes)"):
        box._ask(frame, 10.0)


@pytest.mark.parametrize("path", ["../home", "/scratch/subject/a.py", "nothing.py", "pkg"])
def test_a_box_deletes_nothing_but_files_of_its_copy(path: str, keeper: Keeper, box: Box) -> None:
    keeper.write_many(STORE)
    frame: dict[str, object] = {"op": "snapshot", "overlay": {"files": {}, "deleted": [path]}}

    with pytest.raises(EngineFailure, match="cannot be deleted: it is not there"):
        box._ask(frame, 10.0)


def test_links_that_a_job_left_lead_an_overlay_nowhere(keeper: Keeper, warm: WarmBox) -> None:
    keeper.write_many(STORE)
    with warm.take() as box:
        box.snapshot()
        left = box.run(Job(("/usr/bin/python3", "-c", LEAVE_LINKS)))
        snapshot = box.snapshot({"pkg/b.py": b"new", "a.py": b"new"})
        found = box.run(Job(("/usr/bin/python3", "-c", FIND_LINKS))).stdout.text()

    assert left.exit_code == 0
    assert found == "[] []\n"
    assert snapshot.digest == store_digest({**STORE, "pkg/b.py": b"new", "a.py": b"new"})


def test_an_overlay_that_does_not_fit_into_the_box_is_a_failure_of_this_box(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    keeper.write_many(STORE)
    small = Box.start(engine, volume, image_id, owner, Limits(scratch_bytes=2**20))
    try:
        with pytest.raises(EngineFailure, match="No space left"):
            small.snapshot({f"x{number}": bytes(2**20) for number in range(4)})
    finally:
        small.remove()


CANDIDATES: list[Overlay] = [
    {"calc.py": b"def add(a, b):\n    return a - b\n"},
    {"calc.py": b"def add(a, b):\n    return a + b\n"},
    {"calc.py": b"import os\nopen('/store/test_calc.py', 'w')\ndef add(a, b): return 3\n"},
    {"calc.py": b"open('test_calc.py', 'w').write('')\ndef add(a, b):\n    return 3\n"},
    {"../calc.py": b""},
]


def test_the_run_of_a_candidate_changes_neither_the_store_nor_another_candidate(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    keeper.write("test_calc.py", b"from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n")
    store = FileStore(keeper)
    before = dict(keeper.read_all())
    with Pool(engine, volume, image_id, owner, Limits(), size=2) as pool:
        evaluator = Evaluator(pool, (TestCheck(),), overlay_digest=store.overlay_digest, most_at_once=2)
        reports = evaluator.evaluate_candidates(store.digest(), CANDIDATES)

    assert [report.green for report in reports] == [False, True, False, True, False]
    assert reports[1].store_digest == store.overlay_digest(CANDIDATES[1])
    assert reports[4].store_digest == ""
    assert dict(keeper.read_all()) == before
    assert keeper.digest() == store.digest()
