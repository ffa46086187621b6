"""A box that serves a whole run: nothing of one use reaches the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lmac_sandbox import (
    Box,
    BoxUsed,
    Engine,
    EngineFailure,
    Job,
    Keeper,
    Limits,
    Owner,
    Reuse,
    SandboxError,
    Volume,
    WarmBox,
)

pytestmark = pytest.mark.engine

LEFT_BEHIND = {
    "files everywhere": """
        import os
        for folder in ("/scratch", "/scratch/home", "/scratch/tmp", "/tmp", "/dev/shm"):
            open(f"{folder}/left", "w").write("x")
        os.chmod("/scratch", 0o777)
    """,
    "folders that nobody may enter": """
        import os
        os.makedirs("/scratch/tmp/a/b/c")
        open("/scratch/tmp/a/b/c/left", "w").write("x")
        for folder in ("a/b/c", "a/b", "a"):
            os.chmod(f"/scratch/tmp/{folder}", 0)
    """,
    "links in place of folders": """
        import os, shutil
        shutil.rmtree("/scratch/subject")
        os.symlink("/usr", "/scratch/subject")
        os.symlink("/usr/lib", "/tmp/lib")
        os.mkfifo("/tmp/fifo")
    """,
    "a daemon": """
        import os, time
        if os.fork() == 0:
            os.setsid()
            while True:
                open("/tmp/left", "w").write("x")
                time.sleep(0.001)
    """,
    "names that are no text, and many of them": r"""
        import os
        for number in range(2000):
            open(b"/scratch/tmp/\xff-\n*" + bytes(str(number), "ascii"), "w").close()
        os.mkdir(b"/scratch/tmp/-rf\xfe")
        os.chmod(b"/scratch/tmp/-rf\xfe", 0)
        os.mkdir("/tmp/locked")
        os.chmod("/tmp/locked", 0)
    """,
    "shared memory of one process and of many": """
        from multiprocessing import Semaphore, shared_memory
        left = shared_memory.SharedMemory("left", create=True, size=2**20)
        semaphore = Semaphore()
    """,
}
LOOK = """
import os
found = [os.path.join(parent, name) for top in ("/scratch", "/tmp", "/dev/shm")
         for parent, folders, files in os.walk(top) for name in folders + files]
print(sorted(found), oct(os.stat("/scratch").st_mode)[-3:], os.listdir("/proc").count("2"))
"""
UNTOUCHED = [f"/scratch/{name}" for name in ("home", "subject", "subject/a.py", "suite", "tmp")]


def python(source: str) -> Job:
    indent = "\n" + " " * (len(source) - len(source.lstrip()) - 1)
    return Job(("/usr/bin/python3", "-I", "-c", source.replace(indent, "\n")))


@pytest.fixture
def warm(engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner) -> Iterator[WarmBox]:
    keeper.write("a.py", b"A = 1\n")

    def start() -> Box:
        return Box.start(engine, volume, image_id, owner, Limits(), reuse=Reuse.RUN)

    with WarmBox(start) as entered:
        yield entered


@pytest.mark.parametrize("source", LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_what_a_job_leaves_behind_is_gone_before_the_next_one(warm: WarmBox, source: str) -> None:
    with warm.take() as box:
        box.snapshot()
        first = box.container_id
        assert box.run(python(source)).exit_code == 0
    with warm.take() as box:
        box.snapshot()
        seen = box.run(python(LOOK)).stdout.text().strip()

    assert box.container_id == first
    assert seen.startswith(f"{UNTOUCHED} 700")


UNREMOVABLE = {
    "a System V message queue": "import ctypes; assert ctypes.CDLL(None).msgget(7, 0o1666) >= 0",
    "an access list on the scratch": """
        import os, struct
        entries = [(1, 7, -1), (2, 7, 65533), (4, 7, -1), (16, 7, -1), (32, 7, -1)]
        packed = b"".join(struct.pack("<HHi", *entry) for entry in entries)
        os.setxattr("/scratch", "system.posix_acl_default", struct.pack("<I", 2) + packed)
    """,
    "a System V semaphore": "import ctypes; assert ctypes.CDLL(None).semget(7, 1, 0o1666) >= 0",
    "a tree too deep to remove": """
        import os
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
    """,
}


@pytest.mark.parametrize("source", UNREMOVABLE.values(), ids=UNREMOVABLE)
def test_a_box_that_cannot_be_cleared_is_thrown_away(warm: WarmBox, source: str) -> None:
    with warm.take() as box:
        box.snapshot()
        first = box.container_id
        result = box.run(python(source))
        assert result.exit_code == 0, result
    with warm.take() as box, pytest.raises(EngineFailure, match="earlier job left"):
        box.snapshot()
    with warm.take() as box:
        box.snapshot()

        assert box.container_id != first


def test_a_runner_that_has_copied_is_root_again_and_closed_to_jobs(warm: WarmBox) -> None:
    look = """
        for name in ("mem", "environ", "maps"):
            try:
                open(f"/proc/1/{name}", "rb").read(1)
            except OSError as error:
                print(name, type(error).__name__)
        print([line.split() for line in open("/proc/1/status") if line.startswith(("Uid", "Gid"))])
    """
    for _ in range(2):
        with warm.take() as box:
            box.snapshot()
            seen = box.run(python(look)).stdout.text().splitlines()

        assert seen[:-1] == [f"{name} PermissionError" for name in ("mem", "environ", "maps")]
        assert seen[-1] == str([["Uid:", *"0000"], ["Gid:", *"0000"]])


def test_a_file_that_a_box_may_not_hold_is_named(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    keeper.write("large.txt", bytes(2**20))
    with (
        Box.start(engine, volume, image_id, owner, Limits(file_bytes=2**19)) as box,
        pytest.raises(EngineFailure, match=r"'large.txt' is larger than a file of a box may be"),
    ):
        box.snapshot()


def test_each_snapshot_is_of_the_store_as_it_is_then(warm: WarmBox, keeper: Keeper) -> None:
    digests = []
    for number in range(3):
        digest = keeper.write_many({f"{number}.py": b"", "a.py": str(number).encode()})
        keeper.delete(f"{number - 1}.py") if number else None
        with warm.take() as box:
            digests.append((keeper.digest(), box.snapshot().store_digest))
            assert box.run(Job(("ls",))).stdout.text() == f"{number}.py\na.py\n"
        assert digest

    assert all(kept == copied for kept, copied in digests)
    assert len(set(digests)) == 3


def test_a_box_that_breaks_is_replaced(engine: Engine, warm: WarmBox) -> None:
    with warm.take() as box:
        first = box.container_id
        engine.remove_container(first)
        with pytest.raises(EngineFailure):
            box.snapshot()
    with warm.take() as box:
        box.snapshot()

        assert box.container_id != first


def test_a_closed_one_gives_nothing(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    with WarmBox(lambda: Box.start(engine, volume, image_id, owner, Limits())) as warm:
        pass

    with pytest.raises(SandboxError, match="closed"), warm.take():
        pytest.fail("it gave a box")


def test_after_a_box_that_broke_the_next_one_starts_before_it_is_asked_for(
    engine: Engine, warm: WarmBox, owner: Owner
) -> None:
    with warm.take() as box:
        box.close()
    deadline = time.monotonic() + 10
    while set(engine.containers(owner.labels("box"))) <= {box.container_id} and time.monotonic() < deadline:
        time.sleep(0.02)

    with warm.take() as following:
        assert following.container_id != box.container_id


def test_a_start_that_comes_after_the_block_makes_no_box(monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[Callable[[], None]] = []

    class LateThread(threading.Thread):
        def start(self) -> None:
            late.append(self.run)

    def start() -> Box:
        pytest.fail("nobody would remove that box")

    monkeypatch.setattr(threading, "Thread", LateThread)
    with WarmBox(start):
        pass

    (run,) = late
    run()


def test_a_box_of_another_grade_gives_no_second_snapshot(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    with WarmBox(lambda: Box.start(engine, volume, image_id, owner, Limits())) as warm:
        with warm.take() as box:
            box.snapshot()
            box.run(Job(("touch", "planted")))
        with pytest.raises(BoxUsed), warm.take() as box:
            box.snapshot()
