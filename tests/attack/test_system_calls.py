"""The system call profile, from inside a box: what it refuses, and how.

The engine's own profile lets some of these through, and capabilities stop others. Here all
arguments are zero, for which the kernel itself would mostly have another error than the profile's EPERM.
"""

from __future__ import annotations

import platform

import pytest

from lmac_sandbox import Box, Ending, Job, JobResult

pytestmark = pytest.mark.engine

# Numbers of system calls: x86_64 and aarch64.
CALLS = {
    "io_uring_setup": (425, 425),
    "io_setup": (206, 0),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "vmsplice": (278, 75),
    "memfd_secret": (447, 447),
    "fanotify_init": (300, 262),
    "syslog": (103, 116),
    "chroot": (161, 51),
    "kexec_load": (246, 104),
    "clock_settime": (227, 112),
}
HEAD = """\
import ctypes, errno, mmap, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    value = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return "allowed" if value >= 0 else errno.errorcode[ctypes.get_errno()]
def in_child(action):
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        print(signal.Signals(os.WTERMSIG(status)).name)
"""
X86_64 = platform.machine() == "x86_64"


def run(box: Box, source: str) -> JobResult:
    box.place({"calls.py": (HEAD + source).encode()}, "subject")
    result = box.run(Job(("python3", "calls.py")))
    assert (result.ending, result.exit_code) == (Ending.EXITED, 0), result.stderr.text()
    return result


def told(box: Box, source: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in run(box, source).stdout.text().splitlines())


def test_calls_that_reach_deep_into_the_kernel_are_refused_whatever_their_arguments(box: Box) -> None:
    numbers = {name: both[0 if X86_64 else 1] for name, both in CALLS.items()}

    answers = told(box, f"for name, number in {numbers}.items(): print(name, call(number, 0, 0, 0, 0, 0, 0))")

    assert answers == dict.fromkeys(CALLS, "EPERM")


def test_namespaces_cannot_be_made_by_clone_and_clone3_is_said_to_be_missing(box: Box) -> None:
    clone = 56 if X86_64 else 220
    flags = {
        "user": 0x10000000,
        "mount": 0x20000,
        "network": 0x40000000,
        "pid": 0x20000000,
        "time": 0x2000000,
    }

    answers = told(
        box,
        f"for name, flag in {flags}.items(): print(name, call({clone}, flag | 17, 0, 0, 0, 0))\n"
        "print('clone3', call(435, 0, 0))\n"
        "import threading\nthreading.Thread(target=print, args=('thread runs',)).start()",
    )

    assert answers == dict.fromkeys(flags, "EPERM") | {"clone3": "ENOSYS", "thread": "runs"}


def test_sockets_are_of_four_families_only(box: Box) -> None:
    answers = told(
        box,
        "for family in range(0, 60):\n"
        f" print(family, call({41 if X86_64 else 198}, family, socket.SOCK_DGRAM, 0))\n"
        f"print('pair', call({53 if X86_64 else 199}, 40, 1, 0, 0))\n"
        f"print('sign', call({41 if X86_64 else 198}, (1 << 32) | 40, 1, 0))\n"
        f"print('audit', call({41 if X86_64 else 198}, 16, 3, 9))",
    )

    allowed = {family for family, answer in answers.items() if answer == "allowed"}
    assert allowed == {"1", "2", "10", "16"}
    assert set(answers.values()) == {"allowed", "EPERM"}


def test_personalities_that_weaken_memory_are_refused(box: Box) -> None:
    number = 135 if X86_64 else 92

    answers = told(
        box,
        f"for value in (0, 0xffffffff, 0x0040000, 0x0400000, 8): print(value, call({number}, value))",
    )

    assert answers == {
        "0": "allowed",
        "4294967295": "allowed",
        "262144": "EPERM",
        "4194304": "EPERM",
        "8": "EPERM",
    }


@pytest.mark.skipif(not X86_64, reason="this processor has no such instructions")
def test_calls_of_other_instruction_sets_end_the_program(box: Box) -> None:
    """Machine code in a page of its own, since nothing inside compiles."""
    # mov eax, 102 (socketcall); mov ebx, 1 (socket); mov ecx, arguments; int 0x80; ret
    source = """\
page = mmap.mmap(-1, 8192, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, 'MAP_32BIT', 0x40),
                 mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
base = ctypes.addressof(ctypes.c_char.from_buffer(page))
assert base < 2**32
page[4096:4108] = b''.join(n.to_bytes(4, 'little') for n in (40, 1, 0))
page[:18] = (b'\\xb8' + (102).to_bytes(4, 'little') + b'\\xbb' + (1).to_bytes(4, 'little')
             + b'\\xb9' + (base + 4096).to_bytes(4, 'little') + b'\\xcd\\x80\\xc3')
page[32:40] = b'\\xb8' + (20).to_bytes(4, 'little') + b'\\xcd\\x80\\xc3'
native = ctypes.CFUNCTYPE(ctypes.c_int)
in_child(lambda: print('socketcall', native(base)()))
in_child(lambda: print('getpid', native(base + 32)()))
for number in (39, 41, 425):
    in_child(lambda: print(number, call(0x40000000 | number, 40, 1, 0), flush=True))
"""
    answers = run(box, source).stdout.text().splitlines()

    assert answers[:2] == ["SIGSYS", "SIGSYS"]
    assert all(answer == "SIGSYS" or answer.split()[-1] in {"EPERM", "ENOSYS"} for answer in answers[2:])
    assert len(answers) == 5


def test_paths_of_the_kernel_are_masked_or_read_only_by_the_engines_own_default(box: Box) -> None:
    source = """\
import os
for path in ('/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware', '/proc/scsi'):
    try:
        content = os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(100)
        print(path, 'hidden' if not content else 'WAS SHOWN')
    except OSError as error:
        print(path, 'hidden')
for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/kernel/uevent_helper',
             '/proc/irq/default_smp_affinity', '/sys/fs/cgroup/memory/memory.limit_in_bytes'):
    try:
        open(path, 'w')
        print(path, 'WAS OPENED')
    except OSError as error:
        print(path, 'refused')
"""
    answers = told(box, source)

    assert set(answers.values()) == {"hidden", "refused"}, answers
