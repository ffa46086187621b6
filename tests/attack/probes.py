"""What hostile programs share: they try, and print what refused them."""

from __future__ import annotations

SHORT_SECONDS = 0.7
"""Wall time of rows that never end by themselves."""

PROBES = """\
import ctypes, errno, os, socket, sys
def refused(name, action):
    try:
        action()
    except OSError as error:
        print(name, errno.errorcode[error.errno], flush=True)
    else:
        print(name, "WAS ALLOWED", flush=True)
def outlawed(name, action):
    try:
        action()
    except OSError as error:
        known = error.errno in (errno.EPERM, errno.ENOSYS)
        print(name, "outlawed" if known else errno.errorcode[error.errno], flush=True)
    else:
        print(name, "WAS ALLOWED", flush=True)
libc = ctypes.CDLL(None, use_errno=True)
def syscall(number, *arguments):
    def action():
        if libc.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)) == -1:
            raise OSError(ctypes.get_errno(), "refused")
    return action
def ending_of(action):
    pid = os.fork()
    if pid == 0:
        os._exit(action() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
"""The module `probes` of every program. `refused` names a call's error; to `outlawed` ENOSYS is as good."""
