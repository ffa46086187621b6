"""Rows that use up what a machine has: processes, memory, disk, output, descriptors, time."""

from __future__ import annotations

import threading
import time

from attack.probes import SHORT_SECONDS
from attack.stage import Attack, Checked, Program, Stage
from lmac.checks import TestCheck
from lmac.evaluation import Verdict
from lmac_sandbox import Ending, Job

_BOMB_IN_A_CHILD = "import os\nif os.fork() == 0:\n x = b'x' * 10**9\nos.wait()"
_ZIP_BOMB = """\
import io, zipfile
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
    with archive.open("zeros", "w") as member:
        for _ in range(600): member.write(bytes(2**20))
"""
_PICKLE_BOMB = """\
import pickle
def test_a(): pickle.loads(b"cbuiltins\\nbytearray\\n(I900000000\\ntR.")
"""
_THREADS = """\
import threading, time
while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
"""


def _engine_answers_while_a_job_floods(stage: Stage) -> None:
    """Nobody has to read a job's output for the engine's calls about its box to be answered."""
    flood = Job(("sh", "-c", "while :; do head -c 1000 /dev/zero; sleep 0.001; done"), wall_seconds=2.0)
    with stage.take() as box:
        worker = threading.Thread(target=box.run, args=(flood,))
        worker.start()
        for _ in range(5):
            asked = time.monotonic()
            with stage.engine.call("look at the box") as client:
                client.api.inspect_container(box.container_id)
                client.api.top(box.container_id)
            assert time.monotonic() - asked < 1.0
        worker.join()


def _what_a_job_leaves_in_memory_is_not_the_next_ones(stage: Stage) -> None:
    """System V memory and messages outlive their makers unless somebody sees to it."""
    with stage.take() as box:
        for source in (_SHARED_MEMORY, _MESSAGES):
            box.run(Job(("python3", "-c", source)))
        after = box.run(Job(("python3", "-c", "x = b'x' * (300 * 2**20); print('enough')")))

    assert (after.ending, after.stdout.head) == (Ending.EXITED, b"enough\n")


_SHARED_MEMORY = """\
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
size = 400 * 2**20
place = libc.shmat(libc.shmget(0, ctypes.c_size_t(size), 0o1666), None, 0)
if place != 2**64 - 1: ctypes.memset(place, 1, size)
"""
_MESSAGES = """\
import ctypes
libc = ctypes.CDLL(None)
message = ctypes.create_string_buffer(b"\\1" + bytes(8199), 8200)
for _ in range(20_000):
    queue = libc.msgget(0, 0o1666)
    if queue < 0: break
    for _ in range(2): libc.msgsnd(queue, message, 8192, 0o4000)
"""

ROWS = (
    Attack((1,), "fork bomb", Program("import os\nwhile True: os.fork()", Ending.PROCESS_LIMIT), heavy=True),
    Attack((1,), "bomb of threads", Program(_THREADS, Ending.PROCESS_LIMIT)),
    Attack(
        (1,),
        "fork bomb in a test",
        Checked(
            {"test_a.py": "import os\ndef test_a():\n while True: os.fork()"},
            Verdict.BROKEN_OFF,
            Ending.PROCESS_LIMIT,
        ),
    ),
    Attack(
        (2,), "memory in its main process", Program("x = bytearray(10**9)", Ending.OUT_OF_MEMORY), heavy=True
    ),
    Attack(
        (2,),
        "memory in a test",
        Checked({"test_a.py": "def test_a(): assert b'x' * 10**9"}, Verdict.BROKEN_OFF, Ending.OUT_OF_MEMORY),
    ),
    Attack(
        (3,),
        "memory in a child, and a parent that exits 0",
        Program(_BOMB_IN_A_CHILD, Ending.OUT_OF_MEMORY),
    ),
    Attack(
        (4,),
        "scratch filled",
        Program("for n in range(999):\n open(f'/scratch/f{n}', 'wb').write(b'x' * 2**20)", Ending.DISK_LIMIT),
        heavy=True,
    ),
    Attack(
        (4,),
        "the small /tmp filled",
        Program("for n in range(99):\n open(f'/tmp/f{n}', 'wb').write(b'x' * 2**20)", Ending.DISK_LIMIT),
    ),
    Attack(
        (5,),
        "inodes used up",
        Program("for n in range(99_999): open(f'/scratch/{n}', 'w')", Ending.DISK_LIMIT),
        heavy=True,
    ),
    Attack(
        (6,),
        "sparse file of 1 TiB",
        Program(
            "from probes import *\n"
            "refused('truncate', lambda: open('s', 'wb').truncate(2**40))\n"
            + "refused('fallocate', lambda: os.posix_fallocate(os.open('s', os.O_RDWR), 0, 2**40))",
            told=("truncate EFBIG", "fallocate EFBIG"),
        ),
    ),
    Attack(
        (7,), "flood of stdout", Program("while True: print('x' * 1000)", Ending.OUTPUT_LIMIT), heavy=True
    ),
    Attack(
        (8,),
        "flood of stderr",
        Program("import sys\nwhile True: sys.stderr.write('x' * 1000)", Ending.OUTPUT_LIMIT),
    ),
    Attack(
        (8,),
        "flood of both streams",
        Program(
            "import os\nwhile True:\n os.write(1, b'o' * 4096)\n os.write(2, b'e' * 4096)",
            Ending.OUTPUT_LIMIT,
        ),
        heavy=True,
    ),
    Attack(
        (9,),
        "one endless line",
        Program("import os\nwhile True: os.write(1, b'x' * 65536)", Ending.OUTPUT_LIMIT),
    ),
    Attack(
        (7, 9),
        "flood of a test",
        Checked(
            {"test_a.py": "def test_a(capfd):\n with capfd.disabled():\n  while True: print('x' * 999)"},
            Verdict.BROKEN_OFF,
            Ending.OUTPUT_LIMIT,
        ),
    ),
    Attack(
        (10,),
        "open files",
        Program(
            "from probes import *\n"
            "kept = []\n"
            "refused('open', lambda: [kept.append(open('/dev/null')) for _ in range(9999)])",
            told=("open EMFILE",),
        ),
    ),
    Attack(
        (11,),
        "busy threads and processes",
        Program(
            "import os, threading\nfor _ in range(4): os.fork()\n"
            "threading.Thread(target=lambda: all(iter(lambda: 1, 0))).start()\nwhile True: pass",
            Ending.TIMED_OUT,
            wall_seconds=SHORT_SECONDS,
        ),
        heavy=True,
    ),
    Attack(
        (12,),
        "sleep",
        Program("import time\ntime.sleep(99)", Ending.TIMED_OUT, wall_seconds=SHORT_SECONDS),
    ),
    Attack(
        (12,),
        "a test that never ends",
        Checked(
            {"test_a.py": "import time\ndef test_a(): time.sleep(99)"},
            Verdict.BROKEN_OFF,
            Ending.TIMED_OUT,
            check=TestCheck(wall_seconds=SHORT_SECONDS),
        ),
    ),
    Attack(
        (13,),
        "every signal ignored",
        Program(
            "import signal, time\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)\n"
            "while True: time.sleep(1)",
            Ending.TIMED_OUT,
            wall_seconds=SHORT_SECONDS,
        ),
    ),
    Attack(
        (14,),
        "hang at exit",
        Program(
            "import atexit, time\natexit.register(time.sleep, 99)",
            Ending.TIMED_OUT,
            wall_seconds=SHORT_SECONDS,
        ),
    ),
    Attack(
        (15,),
        "shared memory filled",
        Program(
            "from probes import *\n"
            "refused('shm', lambda: [open(f'/dev/shm/{n}', 'wb').write(b'x' * 2**20) for n in range(99)])",
            told=("shm ENOSPC",),
        ),
    ),
    Attack(
        (16,),
        "core dump",
        Program(
            "import os, resource\n"
            "try: resource.setrlimit(resource.RLIMIT_CORE, (2**30, 2**30))\n"
            "except ValueError: print('capped')\n"
            "pid = os.fork()\nif pid == 0: os.abort()\n"
            "dumped = os.WCOREDUMP(os.waitpid(pid, 0)[1])\n"
            "print('dumped', dumped, [name for name in os.listdir('.') if not name.endswith('.py')])",
            told=("capped", "dumped False []"),
        ),
    ),
    Attack(
        (17,),
        "zip bomb in a test",
        Checked(
            {"test_a.py": f"{_ZIP_BOMB}def test_a(): assert zipfile.ZipFile('bomb.zip').read('zeros')"},
            Verdict.BROKEN_OFF,
            Ending.OUT_OF_MEMORY,
            seconds=20.0,
        ),
    ),
    Attack(
        (17,),
        "pickle bomb in a test",
        Checked({"test_a.py": _PICKLE_BOMB}, Verdict.BROKEN_OFF, Ending.OUT_OF_MEMORY),
    ),
    Attack((24,), "the engine's answers during a flood", _engine_answers_while_a_job_floods),
    Attack((75,), "memory that outlives its maker", _what_a_job_leaves_in_memory_is_not_the_next_ones),
)
