"""Hostile programs, run for real: one row each, with the ending that must be seen and what must be told.

Every row is followed by proof that the store is untouched and that nothing of the job is left in the box.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from lmac_sandbox import (
    Box,
    Ending,
    Engine,
    EngineFailure,
    Job,
    JobResult,
    Keeper,
    Limits,
    Owner,
    Pool,
    StoreLimits,
    Volume,
)
from lmac_sandbox.limits import MIB

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LIMITS = Limits(
    wall_seconds=3.0,
    memory_bytes=192 * MIB,
    pids=32,
    output_bytes=2 * MIB,
    scratch_bytes=16 * MIB,
    scratch_inodes=500,
    file_bytes=8 * MIB,
    open_files=64,
)
PROGRAM = Job(("python3", "attack.py"))
SESSION = Job.pytest(("-q",))

REFUSALS = """\
import ctypes, errno, os, socket, sys
def refused(name, action):
    try:
        action()
    except OSError as error:
        print(name, errno.errorcode[error.errno])
    else:
        print(name, "WAS ALLOWED")
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    def action():
        if getattr(libc, name)(*arguments) == -1:
            raise OSError(ctypes.get_errno(), name)
    return action
"""


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile program."""

    rows: str
    """Numbers in the table of threats."""
    name: str
    files: Mapping[str, str]
    ending: Ending
    job: Job = PROGRAM
    exit_code: int | None = None
    told: tuple[str, ...] = ()
    """Lines of its output that show what stopped it."""
    never: tuple[str, ...] = field(default=("ALLOWED",))
    seconds: float = 5.0
    """It must be over by then."""
    leftover: int = 0
    """At least so many processes had to be removed."""


def program(rows: str, name: str, source: str, ending: Ending, **more: object) -> Attack:
    files = {"attack.py": source}
    return Attack(rows, name, files, ending, **more)  # type: ignore[arg-type]  # fields by name


def session(rows: str, name: str, ending: Ending, files: Mapping[str, str], **more: object) -> Attack:
    return Attack(rows, name, files, ending, job=SESSION, **more)  # type: ignore[arg-type]  # fields by name


FAILING = "def test_wrong(): assert 1 == 2\n"

ATTACKS = (
    program("1", "fork bomb", "import os\nwhile True: os.fork()", Ending.PROCESS_LIMIT),
    program("2", "memory in its main process", "x = bytearray(10**9)", Ending.OUT_OF_MEMORY),
    program(
        "3",
        "memory in a child, and a parent that exits 0",
        "import os\nif os.fork() == 0:\n x = b'x' * 10**9\nos.wait()",
        Ending.OUT_OF_MEMORY,
    ),
    program(
        "4",
        "scratch filled",
        "for n in range(99):\n open(f'/scratch/f{n}', 'wb').write(b'x' * 2**20)",
        Ending.DISK_LIMIT,
    ),
    program("5", "inodes used up", "for n in range(9999): open(f'/scratch/{n}', 'w')", Ending.DISK_LIMIT),
    program(
        "4",
        "the small /tmp filled",
        "for n in range(99):\n open(f'/tmp/f{n}', 'wb').write(b'x' * 2**20)",
        Ending.DISK_LIMIT,
    ),
    program(
        "6",
        "sparse file of 1 TiB",
        REFUSALS + "refused('sparse', lambda: open('s', 'wb').truncate(2**40))",
        Ending.EXITED,
        exit_code=0,
        told=("sparse EFBIG",),
    ),
    program("7", "flood of stdout", "while True: print('x' * 1000)", Ending.OUTPUT_LIMIT),
    program(
        "8",
        "flood of both streams",
        "import os\nwhile True:\n os.write(1, b'o' * 4096)\n os.write(2, b'e' * 4096)",
        Ending.OUTPUT_LIMIT,
    ),
    program("9", "one endless line", "import os\nwhile True: os.write(1, b'x' * 65536)", Ending.OUTPUT_LIMIT),
    program(
        "10",
        "open files",
        REFUSALS + "kept = []\nrefused('open', lambda: [kept.append(open('/dev/null')) for _ in range(999)])",
        Ending.EXITED,
        exit_code=0,
        told=("open EMFILE",),
    ),
    program(
        "11",
        "busy threads",
        "import threading\nfor _ in range(8):\n"
        " threading.Thread(target=lambda: all(iter(lambda: 1, 0))).start()",
        Ending.TIMED_OUT,
    ),
    program("12", "sleep", "import time\ntime.sleep(99)", Ending.TIMED_OUT),
    program(
        "13",
        "every signal ignored",
        "import signal, time\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)\n"
        "while True: time.sleep(1)",
        Ending.TIMED_OUT,
    ),
    program("14", "hang at exit", "import atexit, time\natexit.register(time.sleep, 99)", Ending.TIMED_OUT),
    program(
        "15",
        "shared memory filled",
        REFUSALS
        + "refused('shm', lambda: [open(f'/dev/shm/{n}', 'wb').write(b'x' * 2**20) for n in range(99)])",
        Ending.EXITED,
        exit_code=0,
        told=("shm ENOSPC",),
    ),
    program(
        "16",
        "core dump",
        "import os\npid = os.fork()\nif pid == 0: os.abort()\nprint(os.WCOREDUMP(os.waitpid(pid, 0)[1]))",
        Ending.EXITED,
        exit_code=0,
        told=("False",),
    ),
    program(
        "19",
        "daemon by double fork",
        "import os, time\nif os.fork() == 0:\n os.setsid()\n"
        " if os.fork() == 0:\n  time.sleep(99)\n os._exit(0)",
        Ending.EXITED,
        exit_code=0,
        leftover=1,
    ),
    program(
        "20",
        "child that holds stdout open",
        "import os, time\nif os.fork() == 0: time.sleep(99)\nprint('parent gone')",
        Ending.EXITED,
        exit_code=0,
        told=("parent gone",),
        seconds=1.5,
        leftover=1,
    ),
    program(
        "22",
        "signals to PID 1",
        REFUSALS + "for s in (9, 15, 19): refused(f'kill {s}', lambda: os.kill(1, s))",
        Ending.EXITED,
        exit_code=0,
        told=("kill 9 EPERM", "kill 15 EPERM", "kill 19 EPERM"),
    ),
    program(
        "30, 31",
        "device node and setuid file",
        REFUSALS
        + "import shutil, subprocess\nrefused('mknod', lambda: os.mknod('d', 0o20666, os.makedev(1, 1)))\n"
        "shutil.copy('/usr/bin/id', 'id'); os.chmod('id', 0o6755)\nprint(subprocess.getoutput('./id -u'))",
        Ending.EXITED,
        exit_code=0,
        told=("mknod EPERM", "65532"),
    ),
    program(
        "38, 39",
        "writes to the image and the store",
        REFUSALS + "for path in ('/opt/lmac/inside/x.py', '/etc/passwd', '/store/x', '/store/main.py'):\n"
        " refused(path, lambda: open(path, 'a'))\n"
        "refused('remount', call('mount', b'none', b'/store', b'none', 32 | 4096, None))",
        Ending.EXITED,
        exit_code=0,
        told=("remount EPERM",),
    ),
    program(
        "49, 56",
        "secrets of the runner",
        REFUSALS + "for name in ('environ', 'mem', 'maps'):\n"
        " refused(name, lambda: open(f'/proc/1/{name}', 'rb').read())\n"
        "refused('fd', lambda: os.listdir('/proc/1/fd'))\nrefused('ptrace', call('ptrace', 16, 1, 0, 0))",
        Ending.EXITED,
        exit_code=0,
        told=("environ EACCES", "mem EACCES", "fd EACCES", "ptrace EPERM"),
    ),
    program(
        "50, 51",
        "egress",
        REFUSALS + "for host in ('169.254.169.254', '172.17.0.1', '8.8.8.8'):\n"
        " refused(host, lambda: socket.create_connection((host, 80), 1))\n"
        "try: socket.getaddrinfo('example.org', 80)\nexcept socket.gaierror: print('no names')",
        Ending.EXITED,
        exit_code=0,
        told=("169.254.169.254 ENETUNREACH", "172.17.0.1 ENETUNREACH", "8.8.8.8 ENETUNREACH", "no names"),
    ),
    program(
        "52, 55, 57",
        "raw sockets, namespaces, mounts, the clock, another user",
        REFUSALS + "refused('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))\n"
        "refused('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))\n"
        "refused('unshare', call('unshare', 0x10000000))\n"
        "refused('mount', call('mount', b'n', b'/tmp', b'tmpfs', 0, None))\n"
        "import time\nrefused('clock', lambda: time.clock_settime(time.CLOCK_REALTIME, 0))\n"
        "refused('setuid', lambda: os.setuid(0))\nrefused('setgroups', lambda: os.setgroups([0]))\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "for key in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb', 'NoNewPrivs'): print(key, int(status[key], 16))",
        Ending.EXITED,
        exit_code=0,
        told=(
            *("raw EPERM", "packet EPERM", "unshare EPERM", "mount EPERM", "clock EPERM"),
            *("setuid EPERM", "setgroups EPERM"),
            *("CapEff 0\n", "CapPrm 0\n", "CapInh 0\n", "CapAmb 0\n", "NoNewPrivs 1\n"),
        ),
    ),
    program(
        "58, 59",
        "the host's name, environment and engine",
        "import os, socket\nprint(socket.gethostname(), os.path.exists('/var/run/docker.sock'))\n"
        "print(sorted(k for k in os.environ if 'proxy' in k.lower() or 'KEY' in k))",
        Ending.EXITED,
        exit_code=0,
        told=("box False", "[]"),
    ),
    program(
        "44, 45",
        "forged frames on stdout",
        'import os\nos.write(1, b\'\\x00\\x00\\x00\\x15\' + b\'{"id":1,"ending":"x"}\')\nos._exit(3)',
        Ending.EXITED,
        exit_code=3,
    ),
    session(
        "40",
        "os._exit(0) in a test",
        Ending.INCOMPLETE,
        {"test_a.py": "import os\ndef test_a(): os._exit(0)"},
    ),
    session("40", "os._exit(0) in a conftest", Ending.INCOMPLETE, {"conftest.py": "import os; os._exit(0)"}),
    session("40", "sys.exit(0) in a conftest", Ending.INCOMPLETE, {"conftest.py": "import sys; sys.exit(0)"}),
    session("40", "sys.exit(0) at import", Ending.INCOMPLETE, {"test_a.py": "import sys; sys.exit(0)"}),
    session(
        "40",
        "pytest.exit(0) in a test",
        Ending.INCOMPLETE,
        {"test_a.py": "import pytest\ndef test_a(): pytest.exit('done', returncode=0)\n" + FAILING},
    ),
    session(
        "40",
        "sys.exit(0) in a test",
        Ending.EXITED,
        {"test_a.py": "import sys\ndef test_a(): sys.exit(0)"},
        exit_code=1,
    ),
    session(
        "14",
        "a thread that never ends",
        Ending.EXITED,
        {
            "test_a.py": "import threading, time\n"
            "def test_a(): threading.Thread(target=time.sleep, args=(99,)).start()"
        },
        exit_code=0,
        seconds=2.0,
    ),
    session(
        "1",
        "fork bomb in a test",
        Ending.PROCESS_LIMIT,
        {"test_a.py": "import os\ndef test_a():\n while True: os.fork()"},
    ),
    session(
        "2", "memory in a test", Ending.OUT_OF_MEMORY, {"test_a.py": "def test_a(): assert b'x' * 10**9"}
    ),
    session(
        "12",
        "a test that never ends",
        Ending.TIMED_OUT,
        {"test_a.py": "import time\ndef test_a(): time.sleep(99)"},
    ),
    session(
        "71",
        "the store's own pytest configuration",
        Ending.EXITED,
        {
            "pytest.ini": "[pytest]\naddopts = --collect-only -p no:terminal\npython_files = nothing.py",
            "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--co'",
            "tox.ini": "[pytest]\naddopts = --co",
            "test_a.py": FAILING,
        },
        exit_code=1,
    ),
    session(
        "42, 43",
        "shadowing modules",
        Ending.EXITED,
        {
            "pytest.py": "raise SystemExit(0)",
            "random.py": "raise SystemExit(0)",
            "sitecustomize.py": "raise SystemExit(0)",
            "usercustomize.py": "raise SystemExit(0)",
            "inside.py": "raise SystemExit(0)",
            "test_a.py": "import pytest\n" + FAILING,
        },
        exit_code=1,
    ),
    session(
        "44",
        "a forged end over the events' own pipe",
        Ending.TAMPERED,
        {
            "test_a.py": "import os\ndef test_a():\n for fd in range(3, 20):\n"
            '  try: os.write(fd, b\'{"kind":"finished","exit_code":0}\\n\')\n  except OSError: pass\n'
            + FAILING
        },
    ),
    session(
        "44",
        "garbage over the events' own pipe",
        Ending.TAMPERED,
        {
            "test_a.py": "import os\ndef test_a():\n for fd in range(3, 20):\n"
            "  try: os.write(fd, b'[' * 5000 + b'\\n')\n  except OSError: pass\n"
        },
    ),
    session(
        "68",
        "a flood of events",
        Ending.OUTPUT_LIMIT,
        {
            "test_a.py": "import os\ndef test_a():\n while True:\n  for fd in range(3, 20):\n"
            '   try: os.write(fd, b\'{"kind":"collected","ids":[]}\\n\' * 999)\n   except OSError: pass\n'
        },
    ),
)


@pytest.fixture(scope="module")
def owner() -> Owner:
    return Owner.current(f"test-{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def keeper(engine: Engine, image_id: str, owner: Owner) -> Iterator[tuple[Keeper, Volume]]:
    """A store that no attack may change."""
    with (
        Volume.create(engine, owner, StoreLimits()) as volume,
        Keeper.start(engine, volume, image_id, owner, StoreLimits()) as started,
    ):
        started.write("main.py", b"x = 1\n")
        yield started, volume


@pytest.fixture(scope="module")
def pool(engine: Engine, keeper: tuple[Keeper, Volume], image_id: str, owner: Owner) -> Iterator[Pool]:
    with Pool(engine, keeper[1], image_id, owner, LIMITS, size=2) as started:
        yield started


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.rows}: {attack.name}")
def test_an_attack_ends_as_it_must(attack: Attack, pool: Pool, keeper: tuple[Keeper, Volume]) -> None:
    before = keeper[0].digest()
    with pool.take() as box:
        box.place({path: text.encode() for path, text in attack.files.items()}, "subject")
        started = time.monotonic()
        result = box.run(attack.job)
        took_seconds = time.monotonic() - started
        shown = result.stdout.text() + result.stderr.text()

        assert (result.ending, result.exit_code) == (attack.ending, attack.exit_code), shown[-2000:]
        assert took_seconds < attack.seconds
        assert all(line in shown for line in attack.told), shown
        assert not any(line in shown for line in attack.never), shown
        assert result.leftover_processes >= attack.leftover
        assert_kept_small(result)
        assert_nothing_is_left(box)
    assert keeper[0].digest() == before


def test_links_that_a_job_leaves_in_its_scratch_are_not_followed(pool: Pool) -> None:
    with pool.take() as box:
        box.run(Job(("sh", "-c", "ln -s /scratch/home folder; ln -s /scratch/home/target file; mkfifo pipe")))
        box.place({"file": b"plain", "pipe": b"plain too"}, "subject")
        listing = box.run(Job(("sh", "-c", "ls /scratch/home; cat file pipe"))).stdout.head

        assert listing == b"plainplain too"
        with pytest.raises(EngineFailure, match=r"Not a directory|symbolic links"):
            box.place({"folder/x": b""}, "subject")


def assert_kept_small(result: JobResult) -> None:
    for output in (result.stdout, result.stderr):
        assert len(output.head) + len(output.tail) <= LIMITS.kept_bytes


def assert_nothing_is_left(box: Box) -> None:
    """Only PID 1 and the program that looks."""
    source = (
        "import os; print(sorted(p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()))"
    )
    assert box.run(Job(("python3", "-c", source))).stdout.head == b"['1']\n"
