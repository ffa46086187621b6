"""Rows about processes: those that outlive their job, those that hunt others, and owners that die."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from attack.probes import SHORT_SECONDS
from attack.stage import MARK, Attack, Program, Stage, assert_nothing_runs
from lmac.checks import TestCheck
from lmac.evaluation import Verdict
from lmac_sandbox import (
    Box,
    Ending,
    Engine,
    EngineFailure,
    Job,
    Limits,
    reap,
)
from stalling_proxy import StallingProxy

ROOT = Path(__file__).parents[2]
_GONE_SECONDS = 3.0
"""A container goes within 0.2 s of its owner; the rest is room for a busy machine."""

_OWNER = """\
import sys, time
from lmac_sandbox import Box, Engine, Job, Keeper, Limits, Owner, StoreLimits, Volume
image_id, run_id = sys.argv[1:]
engine = Engine.connect()
owner = Owner.current(run_id)
volume = Volume.create(engine, owner, StoreLimits())
keeper = Keeper.start(engine, volume, image_id, owner, StoreLimits())
box = Box.start(engine, volume, image_id, owner, Limits())
print("ready", flush=True)
box.run(Job(("sleep", "60")))
"""


def _a_killed_owner_leaves_nothing(stage: Stage) -> None:
    run_id = f"{stage.owner.run_id}-killed"
    run = {"lmac.run": run_id}
    command = [sys.executable, "-c", _OWNER, stage.image_id, run_id]
    environment = {"PYTHONPATH": str(ROOT / "sandbox"), "PATH": "/usr/bin"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"ready\n"
            time.sleep(0.2)
            assert len(stage.engine.containers(run)) == 2
        finally:
            owner.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    while stage.engine.containers(run) and time.monotonic() - killed < 10:
        time.sleep(0.02)
    assert time.monotonic() - killed < _GONE_SECONDS

    reap(stage.engine)
    assert stage.engine.volumes(run) == {}


def _an_engine_that_hangs_is_a_failure_in_time(stage: Stage) -> None:
    owner = replace(stage.owner, run_id=f"{stage.owner.run_id}-stalled")
    with StallingProxy() as stalling:
        engine = Engine.connect(stalling.url, call_seconds=1.0)
        stalling.stall()
        called = time.monotonic()
        with suppress(EngineFailure):
            Box.start(engine, stage.volume, stage.image_id, owner, Limits()).close()
            raise AssertionError("the box came up through a stalled engine")
        assert time.monotonic() - called < 4.0
    assert stage.engine.containers({"lmac.run": owner.run_id}) == {}


def _a_box_without_answers_is_broken(stage: Stage) -> None:
    """Its stream stalls in the middle of a job: a failure, and the box answers nobody any more."""
    with StallingProxy() as stalling:
        engine = Engine.connect(stalling.url)
        box = Box.start(engine, stage.volume, stage.image_id, stage.owner, Limits())
        stage.boxes.append(box.container_id)
        threading.Timer(0.2, stalling.cut).start()
        called = time.monotonic()
        for _ in range(2):
            with suppress(EngineFailure):
                box.run(Job(("sleep", "3")))
                raise AssertionError("a lost stream gave a result")
        assert time.monotonic() - called < 2.0
        box.close()


def _the_largest_process_is_pid_1(stage: Stage) -> None:
    """Many processes, each smaller than PID 1, may have the kernel choose it. The box is lost, no more."""
    files = {"test_a.py": f"import os\ndef test_a():\n os.execvp('python3', ['python3', '-c', {_SMALL!r}])\n"}
    result = stage.checked(TestCheck(wall_seconds=3.0), files)

    assert result.verdict is Verdict.BROKEN_OFF
    assert result.ending in (Ending.OUT_OF_MEMORY, Ending.INFRASTRUCTURE_FAILURE, Ending.TIMED_OUT)


_SMALL = """\
import os, time
with open('/proc/self/oom_score_adj', 'w') as file: file.write('0')
for _ in range(50):
    if os.fork() == 0:
        grow = 'while len(x) < 24: x.append(b"x" * 2**20); time.sleep(0.01)'
        os.execvp('python3', ['python3', '-SIE', '-c', f'import time\\nx = []\\n{grow}\\ntime.sleep(9)'])
time.sleep(9)
"""


def _quotas_of_a_user_are_not_shared_between_boxes(stage: Stage) -> None:
    """What the kernel counts by user id, one box uses up and another must still have."""
    greed = Job(("python3", "-c", _GREEDY), wall_seconds=3.0)
    with stage.take() as greedy, stage.take() as honest:
        worker = threading.Thread(target=greedy.run, args=(greed,))
        worker.start()
        time.sleep(1.0)
        result = honest.run(Job(("python3", "-c", _MODEST)))
        worker.join()

    assert result.stdout.text() == "inotify fine\ndescriptors fine\npipe fine\n"


_GREEDY = """\
import ctypes, fcntl, os, socket, time
libc = ctypes.CDLL(None)
while libc.inotify_init1(0) >= 0: pass
for _ in range(3):
    if os.fork() == 0: break
os.closerange(3, 256)
null, kept = os.open('/dev/null', 0), []
try:
    while True:
        kept += socket.socketpair()
        for _ in range(40): socket.send_fds(kept[-1], [b'x'], [null] * 100)
except OSError: pass
os.closerange(200, 256)
try:
    while True:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, 1031, 2**20)
except OSError: pass
libc.inotify_init1(0)
time.sleep(9)
"""
_MODEST = """\
import ctypes, fcntl, os, socket
print('inotify', 'fine' if ctypes.CDLL(None).inotify_init1(0) >= 0 else 'USED UP')
ours, theirs = socket.socketpair()
try: socket.send_fds(ours, [b'x'], [0]); print('descriptors fine')
except OSError: print('descriptors USED UP')
print('pipe', 'fine' if fcntl.fcntl(os.pipe()[1], 1032) == 65536 else 'USED UP')
"""


def _a_job_cannot_prepare_the_next_one(stage: Stage) -> None:
    """Of the first job nothing runs, and no file of it stands where another box looks."""
    leave = f"""\
import os, time
for folder in ('/tmp', '/dev/shm', '/dev/mqueue', '/scratch/home', '/scratch/tmp', '/scratch/subject'):
    try: open(f'{{folder}}/{MARK}', 'w').write('x')
    except OSError: pass
"""
    look = f"""\
import os
print([parent for parent, _, names in os.walk('/') if '{MARK}' in names and not parent.startswith('/proc')])
"""
    with stage.take() as first:
        first.run(Job(("python3", "-c", leave)))
        with stage.take() as second:
            assert second.run(Job(("python3", "-c", look))).stdout.head == b"[]\n"


def _processes_that_keep_forking_through_the_purge(stage: Stage) -> None:
    """Each child forks and ends before its parent's death is known: killed all the same, and soon."""
    hop = "import os\nfor _ in range(8):\n if os.fork() == 0:\n  while True:\n   if os.fork(): os._exit(0)"
    with stage.take() as box:
        started = time.monotonic()
        result = box.run(Job(("python3", "-c", hop)))
        assert time.monotonic() - started < 4.0
        assert result.ending in (Ending.EXITED, Ending.PROCESS_LIMIT)
        assert_nothing_runs(box)


_SIBLING = """
from probes import *
import time
child = os.fork()
if child == 0: time.sleep(99)
time.sleep(0.1)
refused('ptrace', syscall(101, 16, child, 0, 0))
refused('ptrace of PID 1', syscall(101, 16, 1, 0, 0))
refused('read memory', syscall(310, child, 0, 0, 0, 0, 99))
refused('memory of PID 1', lambda: open('/proc/1/mem', 'rb').read(1))
"""

ROWS = (
    Attack(
        (19,),
        "daemon by double fork",
        Program(
            "import os, time\nif os.fork() == 0:\n os.setsid()\n"
            " if os.fork() == 0:\n  time.sleep(99)\n os._exit(0)",
            leftover=1,
        ),
    ),
    Attack(
        (19,),
        "daemons that are stopped, have no parent and dodge every signal",
        Program(
            "import os, signal, time\n"
            "for s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)\n"
            "for _ in range(20):\n if os.fork() == 0:\n  os.setsid(); os.kill(os.getpid(), 19)",
            leftover=20,
        ),
    ),
    Attack(
        (20,),
        "child that holds stdout open",
        Program(
            "import os, time\nif os.fork() == 0: time.sleep(99)\nprint('parent gone')",
            told=("parent gone",),
            seconds=1.5,
            leftover=1,
        ),
    ),
    Attack(
        (20,),
        "stdout passed through a socket to nobody",
        Program(
            "import os, socket, time\nkept = socket.socketpair()\nsocket.send_fds(kept[0], [b'x'], [1, 2])\n"
            "if os.fork() == 0: os.closerange(0, 3); time.sleep(99)",
            seconds=1.5,
            leftover=1,
        ),
    ),
    Attack((21,), "the owner is killed", _a_killed_owner_leaves_nothing),
    Attack(
        (22,),
        "signals to PID 1",
        Program(
            "from probes import *\n"
            "for s in range(1, 65):\n try: os.kill(1, s)\n except PermissionError: continue\n"
            " print(s, 'WAS ALLOWED')\nrefused('fd', lambda: os.open('/proc/1/fd/1', os.O_WRONLY))\n"
            "refused('frames', lambda: os.listdir('/proc/1/fd'))\n"
            "refused('oom', lambda: open('/proc/1/oom_score_adj', 'w').write('1000'))\n"
            "refused('limits', syscall(302, 1, 7, 0, ctypes.create_string_buffer(16)))\n"
            "print('alive')",
            told=("fd EACCES", "frames EACCES", "oom EACCES", "limits EPERM", "alive"),
        ),
    ),
    Attack((23,), "an engine that hangs", _an_engine_that_hangs_is_a_failure_in_time),
    Attack((23,), "a box whose stream is lost", _a_box_without_answers_is_broken),
    Attack(
        (56,),
        "ptrace of a sibling and of PID 1",
        Program(
            _SIBLING,
            told=(
                "ptrace EPERM",
                "ptrace of PID 1 EPERM",
                "memory of PID 1 EACCES",
            ),
            leftover=1,
        ),
    ),
    Attack((76,), "PID 1 as the largest process", _the_largest_process_is_pid_1),
    Attack((77,), "quotas that the kernel keeps by user", _quotas_of_a_user_are_not_shared_between_boxes),
    Attack((38,), "files left for the next box", _a_job_cannot_prepare_the_next_one),
    Attack((78,), "forks in the middle of the purge", _processes_that_keep_forking_through_the_purge),
    Attack(
        (78,),
        "zombies",
        Program(
            "import os, time\nfor _ in range(50):\n if os.fork() == 0: os._exit(0)\n"
            "os.execvp('sleep', ['sleep', '0.2'])",
        ),
    ),
    Attack(
        (79,),
        "priority, real time, locked memory, foreign limits",
        Program(
            "from probes import *\n"
            "import resource\nrefused('nice', lambda: os.nice(-5))\n"
            "refused('fifo', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(9)))\n"
            "import mmap\nheld = mmap.mmap(-1, 2**25)\n"
            "address = ctypes.addressof(ctypes.c_char.from_buffer(held))\n"
            "refused('mlock', syscall(149, address, 2**25))\n"
            "for name in ('NOFILE', 'FSIZE', 'CORE'):\n"
            " which = getattr(resource, f'RLIMIT_{name}')\n"
            " try: resource.setrlimit(which, (2**40, 2**40)); print(name, 'WAS ALLOWED')\n"
            " except (ValueError, OSError): print(name, 'stays')\n",
            told=("nice EPERM", "fifo EPERM", "mlock ENOMEM", "NOFILE stays", "FSIZE stays", "CORE stays"),
        ),
    ),
    Attack(
        (80,),
        "terminals, devices and PID 1's streams",
        Program(
            "from probes import *\n"
            "import fcntl, termios\nrefused('tty', lambda: open('/dev/tty'))\n"
            "ours, theirs = os.openpty()\n"
            "for name in ('console', 'mem', 'kmsg', 'sda', 'vda', 'kvm', 'fuse'):\n"
            " refused(f'/dev/{name}', lambda: open(f'/dev/{name}', 'rb'))\n"
            "refused('stdin of others', lambda: fcntl.ioctl(0, termios.TIOCSTI, b'x'))\n"
            "print(sorted(os.listdir('/dev')))",
            told=(
                "tty ENXIO",
                *(f"/dev/{name} ENOENT" for name in ("console", "mem", "kmsg", "sda", "vda", "kvm", "fuse")),
                "stdin of others ENOTTY",
            ),
        ),
    ),
    Attack(
        (12, 13),
        "stopped by its own hand",
        Program("import os\nos.kill(os.getpid(), 19)", Ending.TIMED_OUT, wall_seconds=SHORT_SECONDS),
    ),
)
