"""Rows about files: what they are, what they are called, how many and how large they are."""

from __future__ import annotations

import io
import os
import socket
import stat
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from attack.probes import PROBES
from attack.stage import MARK, Attack, Checked, Program, Stage
from lmac.evaluation import Verdict
from lmac.file_store import FileStore
from lmac.report.export import export_files
from lmac_sandbox import (
    Ending,
    EngineFailure,
    Job,
    Keeper,
    PathRejected,
    StoreFull,
    StoreLimits,
    Volume,
    store_digest,
)
from lmac_sandbox.inside.tree import Tree
from lmac_sandbox.policy import keeper_options

SECRET = b"a secret of the host"


def _refused_by_the_tree(make: Callable[[Path, Path], None]) -> Callable[[Stage], None]:
    """What `make` puts at `found` beside a secret is not read, and nobody waits for it."""

    def act(stage: Stage) -> None:
        root = stage.scratch / make.__name__
        root.mkdir()
        secret = stage.scratch / f"secret-{make.__name__}"
        secret.write_bytes(SECRET)
        make(root / "found", secret)
        tree = Tree(str(root))
        started = time.monotonic()
        with pytest.raises(OSError, match=r"regular|symbolic|device|No such|directory"):
            tree.read("found", 99)
        listed = list(tree.walk())
        tree.write("found", b"ours")
        tree.close()

        assert time.monotonic() - started < 1.0
        assert listed in ([], ["found"])
        assert (root / "found").read_bytes() == b"ours"
        assert secret.read_bytes() == SECRET

    return act


def _link(found: Path, secret: Path) -> None:
    found.symlink_to(secret)


def _hard_link(found: Path, secret: Path) -> None:
    os.link(secret, found)


def _fifo(found: Path, _: Path) -> None:
    os.mkfifo(found)


def _socket(found: Path, _: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(found))


def _device(found: Path, _: Path) -> None:
    found.symlink_to("/dev/zero")


def _a_parent_swapped_for_a_link(stage: Stage) -> None:
    root, outside = stage.scratch / "swapped", stage.scratch / "outside"
    for folder, content in ((root / "folder", b"inside"), (outside, SECRET)):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(content)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            (root / "folder").rename(root / "aside")
            (root / "folder").symlink_to(outside)
            (root / "folder").unlink()
            (root / "aside").rename(root / "folder")

    swapper = threading.Thread(target=swap)
    swapper.start()
    tree = Tree(str(root))
    seen = set()
    deadline = time.monotonic() + 60
    tries = 0
    while tries < 3000 or (b"inside" not in seen and time.monotonic() < deadline):
        tries += 1
        try:
            seen.add(tree.read("folder/file", 99))
            tree.write("folder/more", b"x")
        except OSError as error:
            seen.add(type(error).__name__.encode())
    over.set()
    swapper.join()

    assert b"inside" in seen
    assert SECRET not in seen
    assert os.listdir(outside) == ["file"]


def _a_store_that_somebody_else_prepared(stage: Stage) -> None:
    """Links, pipes and sockets on the volume itself: neither listed, nor read, nor copied into a box."""
    script = (
        "ln -s /etc/passwd link; ln -s /etc folder; mkfifo pipe; ln -s /dev/zero endless; "
        "mkdir -p deep/er; ln -s ../../../etc deep/er/up; echo fine > plain; echo ready; sleep 20"
    )
    options = keeper_options(StoreLimits(), stage.image_id, "", stage.owner.labels("keeper"))
    with Volume.create(stage.engine, stage.owner, StoreLimits()) as volume:
        options["HostConfig"]["Mounts"][0]["Source"] = volume.name
        options |= {"Cmd": ["/bin/sh", "-c", script], "WorkingDir": "/store"}
        stranger = stage.engine.create_container(options, "stranger")
        stream = stage.engine.attach(stranger, "stranger")
        try:
            stage.engine.start_container(stranger, "stranger")
            assert b"ready" in stream.receive(time.monotonic() + 10)
            with Keeper.start(stage.engine, volume, stage.image_id, stage.owner, StoreLimits()) as keeper:
                assert dict(keeper.read_all()) == {"plain": b"fine\n"}
        finally:
            stream.close()
            stage.engine.remove_container(stranger)


def _links_that_a_job_leaves_are_not_followed(stage: Stage) -> None:
    script = (
        "ln -s /scratch/home folder; ln -s /scratch/home/target file; mkfifo pipe; "
        "ln -s /dev/zero device; python3 -c \"import socket; socket.socket(1).bind('socket')\""
    )
    with stage.take() as box:
        box.run(Job(("sh", "-c", script)))
        names = ("file", "pipe", "device", "socket")
        box.place(dict.fromkeys(names, b"plain"), "subject")
        listing = box.run(Job(("sh", "-c", "ls /scratch/home; cat file pipe device socket"))).stdout.head

        assert listing == b"plain" * 4
        with pytest.raises(EngineFailure, match=r"Not a directory|symbolic links"):
            box.place({"folder/x": b""}, "subject")


PATHS = {
    "..": "../up",
    "inner ..": "a/../../up",
    "absolute": "/etc/passwd",
    "NUL": "a\0b",
    "hooks": ".git/hooks/pre-commit",
    "hooks, in capitals": ".GIT/hooks/x",
    "hooks, full width": ".\uff47\uff49\uff54/x",
    "backslash": "a\\..\\b",
    "newline": "a\nb.py",
    "escape": "a\x1b[2Jb.py",
    "bidi": "a\u202eyp.b",
    "zero width": "a\u200bb.py",
    "lone surrogate": "a\udcffb",
    "255 bytes": "x" * 255,
    "longer": "x/" * 200 + "x",
    "wide": "ü" * 128,
    "deep": "/".join("abcdefghijklmnopq"),
    "empty": "",
    "dot": "./a",
    "space": "a ",
    "not NFC": "u\u0308.py",
    "reserved": ".lmac-new",
}


def _no_such_path_is_written_anywhere(stage: Stage) -> None:
    before = stage.keeper.digest()
    with stage.take() as box:
        for name, path in PATHS.items():
            for write in (
                lambda path=path: stage.keeper.write_many({"good.py": b"x", path: b"x"}),
                lambda path=path: box.place({"good.py": b"x", path: b"x"}, "subject"),
            ):
                with pytest.raises(PathRejected) as refusal:
                    write()
                shown = str(refusal.value)
                assert shown.isprintable(), name
                assert len(shown) < 500, name
        assert box.run(Job(("ls", "-A"))).stdout.head == b""
    assert stage.keeper.digest() == before


TWINS = (
    ("Twin.py", "TWIN.py"),
    ("ü.py", "Ü.py"),
    ("straße.py", "STRASSE.py"),
    ("ﬁle.py", "file.py"),
    ("a/b.py", "A/c.py"),
    ("a", "a/b"),
    ("s.py", "\u017f.py"),
)


def _twins_are_refused(stage: Stage) -> None:
    for first, second in TWINS:
        with stage.holding({first: "x"}), pytest.raises(PathRejected, match="clashes"):
            stage.keeper.write(second, b"y")


def _hostile_names_in_a_job_reach_nobody(stage: Stage) -> None:
    """A job may call its own files what it likes; what comes back can be shown."""
    source = (
        "import os\nfor name in (b'a\\nb', b'\\xff\\xfe', 'a\\u202eb'.encode(), b'\\x1b[2J', b'x' * 255):\n"
        " open(name, 'w').close()\n"
        "os.write(1, b'|'.join(os.listdir(b'.')))\n"
    )
    with stage.take() as box:
        result = box.run(Job(("python3", "-c", source)))

    assert result.exit_code == 0
    assert b"\xff\xfe" in result.stdout.head
    assert not any(char in result.stdout.text() for char in "\x1b\u202e\xff")


def _archives_are_never_unpacked(stage: Stage) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in (f"../{MARK}", f"/tmp/{MARK}", f"/{MARK}"):
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    content = buffer.getvalue()
    unpack = "import tarfile\ntarfile.open('a.tar').extractall()\n"
    with stage.holding({"a.tar": content, "a.zip": b"PK\3\4" + content}), stage.take() as box:
        assert stage.keeper.read("a.tar") == content
        folder = stage.scratch / "exported"
        export_files(FileStore(stage.keeper), folder)
        assert (folder / "a.tar").read_bytes() == content
        box.snapshot()
        assert box.run(Job(("cat", "a.tar"))).stdout.head == content
        assert b"Read-only file system" in box.run(Job(("python3", "-c", unpack))).stderr.head


def _exported_files_stay_below_their_folder(stage: Stage) -> None:
    """None is executable, none goes through a link, and a folder that is there is not touched."""
    with stage.holding({"run.sh": "#!/bin/sh\n", "a/b.py": "x"}):
        store = FileStore(stage.keeper)
        folder = stage.scratch / "delivered"
        export_files(store, folder)
        assert not any(stat.S_IMODE(path.stat().st_mode) & 0o111 for path in folder.rglob("*.*"))
        elsewhere = stage.scratch / "elsewhere"
        elsewhere.mkdir()
        (stage.scratch / "planted").symlink_to(elsewhere)
        for taken in (folder, stage.scratch / "planted"):
            with pytest.raises(FileExistsError):
                export_files(store, taken)
        assert list(elsewhere.iterdir()) == []


def _a_file_that_changes_while_it_is_copied(stage: Stage) -> None:
    """The digest of a copy is the digest of the very bytes that were copied."""
    texts = (b"a" * 500_000, b"b" * 400_000)
    versions = {store_digest({"main.py": b"x = 1\n", "moving.txt": text}): text for text in texts}
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            for text in texts:
                stage.keeper.write("moving.txt", text)

    with stage.holding({"moving.txt": texts[0]}), stage.take_warm() as box:
        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(20):
            digest = box.snapshot().store_digest
            assert digest in versions
            assert box.run(Job(("cat", "moving.txt"))).stdout.head == versions[digest]
        over.set()
        writer.join()


def _stubborn_trees_go_with_the_box(stage: Stage) -> None:
    source = (
        "from probes import *\n"
        """
import subprocess
os.makedirs('locked/in'); open('locked/in/f', 'w').close()
os.chmod('locked/in/f', 0); os.chmod('locked', 0)
folder = 'deep'
for _ in range(2000):
    os.mkdir(folder); os.chdir(folder)
os.chdir('/scratch/subject')
flags = ctypes.c_long(16)
refused('immutable', syscall(16, os.open('attack.py', os.O_RDONLY), 0x40086602, ctypes.byref(flags)))
"""
    )
    with stage.take() as box:
        box.place({"attack.py": source.encode(), "probes.py": PROBES.encode()}, "subject")
        result = box.run(Job(("python3", "attack.py")))
        container_id = box.container_id
    gone_by = time.monotonic() + 5
    while container_id in stage.engine.containers({}) and time.monotonic() < gone_by:
        time.sleep(0.02)

    assert result.ending is Ending.EXITED
    assert "ALLOWED" not in result.stdout.text()
    assert container_id not in stage.engine.containers({})


def _ten_thousand_tiny_files(stage: Stage) -> None:
    files = {f"d{n // 100}/f{n}.py": b"x" for n in range(10_000)}
    with pytest.raises(StoreFull, match="4096"):
        stage.keeper.write_many(files)
    limits = StoreLimits(store_files=10_000)
    with (
        Volume.create(stage.engine, stage.owner, limits) as volume,
        Keeper.start(stage.engine, volume, stage.image_id, stage.owner, limits) as keeper,
    ):
        keeper.write_many(files)
        started = time.monotonic()
        assert len(keeper.list()) == 10_000
        with pytest.raises(StoreFull, match="10001 files"):
            keeper.write("one.py", b"y")
        assert time.monotonic() - started < 2.0


def _thirty_megabytes_of_test(stage: Stage) -> None:
    content = bytes(30 * 2**20)
    with pytest.raises(StoreFull, match="a file may have"):
        stage.keeper.write("test_large.py", content)
    del content
    assert stage.keeper.read("main.py") == b"x = 1\n"


_LARGE_TEST = """\
import pathlib
text = "def test_%d(): assert True\\n"
pathlib.Path("test_large.py").write_text("".join(text % n for n in range(1_000_000)))
"""

ROWS = (
    Attack((25,), "link to a host's file", _refused_by_the_tree(_link)),
    Attack((27,), "hard link", _refused_by_the_tree(_hard_link)),
    Attack((28,), "FIFO", _refused_by_the_tree(_fifo)),
    Attack((29,), "socket", _refused_by_the_tree(_socket)),
    Attack((30,), "link to a device", _refused_by_the_tree(_device)),
    Attack((26,), "parent swapped for a link while it is read", _a_parent_swapped_for_a_link),
    Attack((25, 28), "a store that somebody else prepared", _a_store_that_somebody_else_prepared),
    Attack((25, 28, 29), "links, pipes, sockets in the scratch", _links_that_a_job_leaves_are_not_followed),
    Attack(
        (30, 31),
        "device nodes and setuid files",
        Program(
            "from probes import *\n"
            "import shutil, subprocess\n"
            "for kind in (0o020666, 0o060666):\n"
            " refused('mknod', lambda: os.mknod('d', kind, os.makedev(1, 1)))\n"
            "shutil.copy('/usr/bin/id', 'id'); os.chmod('id', 0o6755)\n"
            "print(subprocess.getoutput('./id -un'))\n"
            "refused('chown', lambda: os.chown('id', 0, 0))\n"
            "capabilities = b'\\1\\0\\0\\2' + b'\\xff' * 16\n"
            "refused('capability', lambda: os.setxattr('id', 'security.capability', capabilities))\n",
            told=("mknod EPERM", "job", "chown EPERM", "capability EPERM"),
        ),
    ),
    Attack((32, 33), "paths that climb, hide or break", _no_such_path_is_written_anywhere),
    Attack((33,), "hostile names in a job", _hostile_names_in_a_job_reach_nobody),
    Attack((34,), "twins of case and form", _twins_are_refused),
    Attack((35,), "archives whose members climb out", _archives_are_never_unpacked),
    Attack((35,), "an export over what is there", _exported_files_stay_below_their_folder),
    Attack((36,), "a file that changes while it is copied", _a_file_that_changes_while_it_is_copied),
    Attack((37,), "locked, deep and immutable trees", _stubborn_trees_go_with_the_box),
    Attack(
        (38, 39),
        "writes to the image and the store",
        Program(
            "from probes import *\n"
            f"for path in ('/opt/lmac/inside/', '/etc/', '/store/', '/usr/lib/python3.11/', '/'):\n"
            f" refused(path, lambda: open(path + '{MARK}', 'w'))\n"
            "refused('passwd', lambda: open('/etc/passwd', 'a'))\n"
            "refused('main', lambda: open('/store/main.py', 'a'))\n"
            "refused('unlink', lambda: os.unlink('/store/main.py'))\n"
            "refused('remount', syscall(165, b'none', b'/store', b'none', 32 | 4096, 0))",
            told=(
                *("/ EROFS", "/etc/ EROFS", "/store/ EROFS", "main EACCES", "unlink EROFS", "remount EPERM"),
            ),
        ),
    ),
    Attack((66,), "a store of ten thousand tiny files", _ten_thousand_tiny_files),
    Attack((67,), "a file of 30 MB for the store", _thirty_megabytes_of_test),
    Attack(
        (67,),
        "a test file of 30 MB, made by a conftest",
        Checked(
            {"conftest.py": _LARGE_TEST, "test_a.py": "def test_a(): pass"},
            Verdict.BROKEN_OFF,
            Ending.OUT_OF_MEMORY,
            seconds=30.0,
        ),
    ),
)
