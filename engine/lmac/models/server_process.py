"""What runs in the embedded server's process."""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

MEBIBYTE = 1024 * 1024
PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the process is told, over a pipe: the key never stands on a command line."""

    weights: str
    model: str
    api_key: str = field(repr=False)
    context_tokens: int
    threads: int
    prompt_cache_bytes: int
    log_path: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Requests are accepted."""

    address: str
    """http://127.0.0.1:port"""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server did not start."""

    reason: str


def serve(settings: ServerSettings, owner: Connection, reports: Connection) -> None:
    """Load, report, serve until the owner's end of its pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _print_into(settings.log_path)
    # Loading holds the interpreter's lock, so nobody watches the pipe then.
    _die_with_starter(signal.SIGKILL)
    try:
        server = _load(settings)
    except RuntimeError as error:
        reports.send(Refused(str(error)))
        return
    # The signal comes when the starting thread ends, which a served run may outlive: from here on, the pipe.
    _die_with_starter(0)
    reports.send(Ready(server.listening_address))
    _wait_for_end(owner)
    # Past the server's own clean-up, which waits for requests under way.
    os._exit(0)


def _load(settings: ServerSettings) -> Any:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings.weights
    parameters.model_alias = {settings.model}
    parameters.api_keys = [settings.api_key]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = settings.context_tokens
    # One window at a time: more slots would share the context between them.
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = settings.threads
    parameters.cpuparams_batch.n_threads = settings.threads
    parameters.cache_prompt = True
    parameters.cache_ram_mib = settings.prompt_cache_bytes // MEBIBYTE
    parameters.ctx_shift = False
    # It would shrink the context to the memory that it finds free, silently.
    parameters.fit_params = False
    # The first request warms up as well, and is not slower for it.
    parameters.warmup = False
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.endpoint_props = False
    return xllamacpp.Server(parameters)


def _print_into(log_path: str) -> None:
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _die_with_starter(signal_number: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def _wait_for_end(owner: Connection) -> None:
    try:
        owner.recv_bytes()
    except (EOFError, OSError):
        return
