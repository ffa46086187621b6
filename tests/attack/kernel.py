"""Rows that ask the kernel for more: network, namespaces, devices, secrets, other machines' code."""

from __future__ import annotations

import secrets
from dataclasses import replace

from attack.stage import Attack, Program, Stage
from lmac_sandbox import Job, Keeper, StoreLimits, Volume
from lmac_sandbox.policy import ENVIRONMENT

_EGRESS = """
from probes import *
for host in ('169.254.169.254', '172.17.0.1', '8.8.8.8', '192.168.0.1', '10.0.0.1', '255.255.255.255'):
    refused(host, lambda: socket.create_connection((host, 80), 1))
try: socket.create_connection(('2606:4700:4700::1111', 80), 1)
except OSError as error:
    # By whether the kernel has the protocol at all.
    known = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    print('IPv6', 'unreachable' if error.errno in known else error)
refused('UDP', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53)))
print('interfaces', [name for _, name in socket.if_nameindex()])
"""

_NAMES = """
import socket, sys
for name in ('example.org', 'host.docker.internal', 'gateway.docker.internal', 'metadata.google.internal'):
    try: print(name, 'WAS ALLOWED', socket.getaddrinfo(name, 80))
    except socket.gaierror: print(name, 'unknown')
"""

_ROUTE = """
from probes import *
import struct
link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
new_link = struct.pack('=IHHII', 32, 16, 0x605, 1, 0) + struct.pack('=BxHiII', 0, 0, 1, 0, 0xFFFFFFFF)
link.send(new_link)
print('a link', errno.errorcode[-struct.unpack_from('=i', link.recv(99), 16)[0]])
"""

_SOCKETS = """
from probes import *
refused('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
refused('raw6', lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58))
refused('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
refused('packet datagram', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
"""

_FAMILIES = """
from probes import *
for name, family in dict(ALG=38, VSOCK=40, KEY=15, PPPOX=24, CAN=29, BLUETOOTH=31, TIPC=30, XDP=44).items():
    kind = socket.SOCK_SEQPACKET if name == 'ALG' else socket.SOCK_STREAM
    refused(name, lambda: socket.socket(family, kind))
refused('pair', lambda: socket.socketpair(40, socket.SOCK_STREAM))
"""

_CALLS = {
    "mount": (165, "b'n', b'/tmp', b'tmpfs', 0, 0"),
    "umount": (166, "b'/tmp', 0"),
    "pivot_root": (155, "b'/tmp', b'/tmp'"),
    "unshare users": (272, "0x10000000"),
    "unshare mounts": (272, "0x00020000"),
    "setns": (308, "os.open('/proc/self/ns/net', 0), 0"),
    "bpf": (321, "0, ctypes.create_string_buffer(128), 128"),
    "perf": (298, "ctypes.create_string_buffer(bytes([1, 0, 0, 0, 112]) + bytes(200)), 0, -1, -1, 0"),
    "keyctl": (250, "0, -3, 0, 0, 0"),
    "add_key": (248, "b'user', b'x', b'y', 1, -3"),
    "request_key": (249, "b'user', b'x', 0, 0"),
    "userfaultfd": (323, "0"),
    "userfaultfd of user mode": (323, "1"),
    "open_by_handle_at": (304, "-100, ctypes.create_string_buffer(136), 0"),
    "ptrace": (101, "0, 0, 0, 0"),
    "io_uring": (425, "4, ctypes.create_string_buffer(240)"),
}
"""The default profiles of engines let some of these through; ours answers EPERM to each."""

_OTHER_CALLS = {
    "init_module": (175, "0, 0, b''"),
    "finit_module": (313, "0, b'', 0"),
    "delete_module": (176, "b'x', 0"),
    "kexec_load": (246, "0, 0, 0, 0"),
    "reboot": (169, "0xFEE1DEAD, 672274793, 0x1234567, 0"),
    "swapon": (167, "b'/scratch/x', 0"),
    "iopl": (172, "3"),
    "ioperm": (173, "0, 1, 1"),
    "acct": (163, "b'/scratch/x'"),
    "quotactl": (179, "0x800000, 0, 0, 0"),
    "syslog": (103, "3, ctypes.create_string_buffer(99), 99"),
    "sethostname": (170, "b'x', 1"),
    "chroot": (161, "b'/scratch'"),
    "fanotify_init": (300, "0, 0"),
    "fsopen": (430, "b'tmpfs', 0"),
    "open_tree": (428, "-100, b'/', 1"),
    "move_mount": (429, "-100, b'/', -100, b'/', 0"),
    "clone3": (435, "ctypes.create_string_buffer(88), 88"),
    "process_vm_readv": (310, "1, 0, 0, 0, 0, 99"),
    "kcmp": (312, "1, 1, 0, 0, 0"),
    "pidfd_getfd": (438, "os.pidfd_open(1), 0, 0"),
}
"""EPERM, or ENOSYS where the kernel or the profile does not know it."""


def _program_of_calls(verb: str, calls: dict[str, tuple[int, str]]) -> str:
    lines = (
        f"{verb}({name!r}, syscall({number}, {arguments}))" for name, (number, arguments) in calls.items()
    )
    return "\n".join(("from probes import *", *lines))


_CLONE = """
from probes import *
CLONE_NEWUSER, SIGCHLD = 0x10000000, 17
def clone():
    pid = libc.syscall(56, ctypes.c_long(CLONE_NEWUSER | SIGCHLD), 0, 0, 0, 0)
    if pid == 0: os._exit(0)
    if pid == -1: raise OSError(ctypes.get_errno(), 'refused')
refused('clone', clone)
"""

_FOREIGN_CALLS = """
from probes import *
import mmap
def run(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    result = function()
    return 100 if result >= 0 else min(-result, 99)
def old_call(number, first, second, third):
    words = (b'\\xb8', number), (b'\\xbb', first), (b'\\xb9', second), (b'\\xba', third)
    loads = b''.join(code + value.to_bytes(4, 'little') for code, value in words)
    return b'\\x53' + loads + b'\\x31\\xf6\\x31\\xff\\xcd\\x80\\x5b\\xc3'
def told(name, ending):
    # SIGSYS is the profile's, SIGSEGV a kernel without 32-bit calls.
    fine = ending in (errno.EPERM, errno.ENOSYS, -31, -11)
    print(name, 'refused' if fine else f'WAS ALLOWED: {ending}', flush=True)
told('vsock', ending_of(lambda: run(old_call(359, 40, 1, 0))))
told('alg', ending_of(lambda: run(old_call(359, 38, 5, 0))))
told('getpid', ending_of(lambda: run(old_call(20, 0, 0, 0))))
def x32(number): return 100 if libc.syscall(0x40000000 + number, 40, 1, 0) >= 0 else ctypes.get_errno()
for number in (41, 39): told(f'x32 {number}', ending_of(lambda: x32(number)))
"""

_SYSTEM_FILES = """
from probes import *
for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/sys/kernel/hostname',
             '/proc/sys/kernel/shmmax', '/proc/sys/net/ipv4/ip_forward', '/proc/irq/default_smp_affinity',
             '/sys/kernel/uevent_helper', '/sys/fs/cgroup/memory/release_agent',
             '/sys/fs/cgroup/memory/notify_on_release', '/sys/fs/cgroup/pids/pids.max',
             '/sys/fs/cgroup/pids.max',
             '/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max',
             '/sys/fs/cgroup/cgroup.procs', '/sys/fs/cgroup/memory/cgroup.procs',
             '/sys/fs/cgroup/memory/cgroup.event_control', '/sys/power/state', '/proc/1/oom_score_adj'):
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.ENOENT, errno.EPERM): print(path, error)
    else:
        print(path, 'WAS ALLOWED')
refused('new cgroup', lambda: os.mkdir('/sys/fs/cgroup/memory/x') or os.mkdir('/sys/fs/cgroup/x'))
for name in ('kcore', 'keys', 'timer_list', 'sched_debug', 'kmsg', 'vmcore', 'latency_stats'):
    path = f'/proc/{name}'
    try: said = open(path, 'rb').read(16)
    except OSError: said = b''
    print(path, 'WAS ALLOWED' if said else 'masked')
for folder in ('/proc/acpi', '/proc/scsi', '/sys/firmware'):
    print(folder, 'masked' if not os.path.isdir(folder) or not os.listdir(folder) else 'WAS ALLOWED')
"""

_LOOK_AROUND = f"""
import os, socket
print('name', socket.gethostname())
print('variables', sorted(set(os.environ) - {set(ENVIRONMENT)!r}))
print('proxies', [k for k in os.environ if 'proxy' in k.lower()])
sockets = []
for parent, folders, names in os.walk('/'):
    folders[:] = [f for f in folders if parent != '/' or f not in ('proc', 'sys')]
    for name in names:
        path = f'{{parent}}/{{name}}'
        if os.path.exists(path) and os.stat(path).st_mode & 0o170000 == 0o140000: sockets.append(path)
print('sockets', sockets, len(open('/proc/net/unix').readlines()) - 1)
"""


def _other_stores_are_not_there(stage: Stage) -> None:
    owner = replace(stage.owner, run_id=f"{stage.owner.run_id}-other")
    name = f"other-{secrets.token_hex(4)}.py"
    look = (
        "import os\nmounts = open('/proc/self/mountinfo').read()\n"
        "print([p for p, _, names in os.walk('/') if {name!r} in names and not p.startswith('/proc')])\n"
        "print({volume!r} in mounts, os.listdir('/store'), os.path.exists('/var/lib/docker'))\n"
    )
    with (
        Volume.create(stage.engine, owner, StoreLimits()) as volume,
        Keeper.start(stage.engine, volume, stage.image_id, owner, StoreLimits()) as keeper,
        stage.take() as box,
    ):
        keeper.write(name, b"secret")
        source = look.format(name=name, volume=volume.name)
        result = box.run(Job(("python3", "-c", source)))

    assert result.stdout.text() == "[]\nFalse ['main.py'] False\n"


ROWS = (
    Attack(
        (49, 56),
        "secrets of the runner",
        Program(
            "from probes import *\n"
            "for name in ('environ', 'mem', 'maps', 'stack', 'cwd/x', 'root/etc/passwd'):\n"
            " refused(name, lambda: open(f'/proc/1/{name}', 'rb').read())\n"
            "refused('fd', lambda: os.listdir('/proc/1/fd'))\n"
            "refused('exe', lambda: os.readlink('/proc/1/exe'))\n"
            "print('command', open('/proc/1/cmdline').read().split('\\0')[0])",
            told=(
                *(f"{name} EACCES" for name in ("environ", "mem", "maps", "cwd/x", "root/etc/passwd")),
                *("fd EACCES", "exe EACCES", "command /usr/bin/python3"),
            ),
        ),
    ),
    Attack(
        (50,),
        "egress, the metadata address, the gateway",
        Program(
            _EGRESS,
            told=(
                *(f"{host} ENETUNREACH" for host in ("169.254.169.254", "172.17.0.1", "8.8.8.8", "10.0.0.1")),
                *("IPv6 unreachable", "UDP ENETUNREACH", "interfaces ['lo']"),
            ),
        ),
    ),
    Attack((50,), "a network of its own making", Program(_ROUTE, told=("a link EPERM",))),
    Attack((51,), "names", Program(_NAMES, told=("example.org unknown", "host.docker.internal unknown"))),
    Attack(
        (52,),
        "raw and packet sockets",
        Program(_SOCKETS, told=("raw EPERM", "raw6 EPERM", "packet EPERM", "packet datagram EPERM")),
    ),
    Attack(
        (53,),
        "families of sockets that reach the kernel's depths or the machine below",
        Program(
            _FAMILIES,
            told=tuple(
                f"{name} EPERM"
                for name in ("ALG", "VSOCK", "KEY", "PPPOX", "CAN", "BLUETOOTH", "TIPC", "XDP", "pair")
            ),
        ),
    ),
    Attack(
        (54, 55),
        "io_uring, namespaces, mounts, keys, bpf, perf, userfaultfd, handles, ptrace",
        Program(_program_of_calls("refused", _CALLS), told=tuple(f"{name} EPERM" for name in _CALLS)),
    ),
    Attack(
        (55,),
        "everything else that only an administrator may",
        Program(
            _program_of_calls("outlawed", _OTHER_CALLS),
            told=tuple(f"{name} outlawed" for name in _OTHER_CALLS),
        ),
    ),
    Attack((55,), "a namespace by clone", Program(_CLONE, told=("clone EPERM",))),
    Attack(
        (55, 57),
        "the clock, another user, capabilities",
        Program(
            "from probes import *\n"
            "import time\nrefused('clock', lambda: time.clock_settime(time.CLOCK_REALTIME, 0))\n"
            "refused('time of day', syscall(164, ctypes.create_string_buffer(16), 0))\n"
            "refused('adjustment', syscall(159, ctypes.create_string_buffer(bytes([1]) + bytes(255))))\n"
            "refused('setuid', lambda: os.setuid(0))\nrefused('setgid', lambda: os.setgid(0))\n"
            "refused('setgroups', lambda: os.setgroups([0]))\n"
            "refused('capset', syscall(126, bytes([34, 5, 8, 32, 0, 0, 0, 0]), b'\\xff' * 24))\n"
            "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
            "for key in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb', 'NoNewPrivs', 'Seccomp'):\n"
            " print(key, int(status[key], 16))",
            told=(
                *("clock EPERM", "time of day EPERM", "adjustment EPERM", "setuid EPERM", "setgid EPERM"),
                *("setgroups EPERM", "capset EPERM"),
                *("CapEff 0", "CapPrm 0", "CapInh 0", "CapAmb 0", "NoNewPrivs 1", "Seccomp 2"),
            ),
        ),
    ),
    Attack(
        (58,),
        "/proc and /sys",
        Program(
            _SYSTEM_FILES,
            told=("new cgroup EROFS", "/proc/kcore masked", "/proc/keys masked", "/sys/firmware masked"),
        ),
    ),
    Attack(
        (58, 59),
        "the host's name and environment, the engine's socket",
        Program(_LOOK_AROUND, told=("name box", "variables ['HOSTNAME']", "proxies []", "sockets [] 0")),
    ),
    Attack((60,), "volumes of other runs", _other_stores_are_not_there),
    Attack(
        (73,),
        "calls of 32-bit and x32 programs",
        Program(
            _FOREIGN_CALLS,
            told=("vsock refused", "alg refused", "getpid refused", "x32 41 refused", "x32 39 refused"),
        ),
    ),
)
