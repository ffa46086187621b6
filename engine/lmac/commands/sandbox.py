"""`lmac sandbox policy`: everything that confines a run's generated code, in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from lmac.checks import Check
from lmac.commands.terminal import terminal_json
from lmac.config import RunConfig
from lmac.inputs import load_checks, load_config
from lmac.printable import printable
from lmac_sandbox import PolicySummary, Reuse, summarize_policy

_COLUMN = 14
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_BOX = "box: generated code runs here; its runner has the capabilities, its jobs have none"

Rows = Mapping[str, str]


def show_policy(config_path: Path | None, overrides: Iterable[str], as_json: bool) -> int:
    """Print the policy of a config; nothing is started and no engine asked."""
    config = load_config(config_path, overrides)
    plan = load_checks(config)
    policy = summarize_policy(config.box, config.store, config.isolation, plan.image)
    grades = _grades(config, plan.checks)
    if as_json:
        own_seconds = {check.name: seconds for check in plan.checks if (seconds := check.job().wall_seconds)}
        of_run = {"reuse": grades, "check_wall_seconds": own_seconds, "seccomp_profile": policy.profile()}
        click.echo(terminal_json(asdict(policy) | of_run))
    else:
        click.echo(printable(_as_text(policy, grades), keep_newlines=True))
    return 0


def _grades(config: RunConfig, checks: Iterable[Check]) -> dict[str, Reuse]:
    """How often the box serves in which each of them runs."""
    tests = config.evaluation.test_reuse
    judged = {check.name: Reuse.RUN if check.reuse is Reuse.RUN else tests for check in checks}
    return judged | {"acceptance": Reuse.SINGLE_USE, "run_program": Reuse.SINGLE_USE}


def _as_text(policy: PolicySummary, grades: Mapping[str, Reuse]) -> str:
    sections = {
        "boxes of each grade": _reuse(grades),
        _BOX: _container(policy.box),
        "each job in a box, held by its runner": _job(policy.job),
        "box of tools, which load nothing from the store": _difference(policy.tools_box, policy.box),
        "keeper: the only writer of the store": _container(policy.keeper),
        "store, held by the keeper at each write": _store(policy),
        "system calls (seccomp), of boxes and keeper": _seccomp(policy),
    }
    return (
        "\n\n".join(
            "\n".join((title, *(f"  {name:<{_COLUMN}} {words}" for name, words in rows.items())))
            for title, rows in sections.items()
        )
        + "\n\nevery option as the engine gets it, and the profile in full: --json"
    )


def _reuse(grades: Mapping[str, Reuse]) -> Rows:
    meant = {
        Reuse.SINGLE_USE: "thrown away after one use",
        Reuse.RUN: "serves the run: cleared before each use",
    }
    return {
        grade.value: f"{', '.join(name for name, its in grades.items() if its is grade) or 'none'} ({words})"
        for grade, words in meant.items()
    }


def _container(options: Mapping[str, Any]) -> Rows:
    host = options["HostConfig"]
    mounts = [
        f"{mount['Source']} at {mount['Target']}{', read only' if mount['ReadOnly'] else ''}"
        for mount in host["Mounts"]
    ]
    return {
        "image": options["Image"],
        "runtime": host.get("Runtime", "the engine's default"),
        "command": " ".join(options["Cmd"]),
        "user": options["User"],
        "environment": " ".join(options["Env"]),
        "network": host["NetworkMode"],
        "root": "read only" if host["ReadonlyRootfs"] else "writable",
        "volumes": "; ".join(mounts),
        **{f"tmpfs {place}": mount for place, mount in host.get("Tmpfs", {}).items()},
        "capabilities": f"{_named(host.get('CapAdd', []))}; dropped {_named(host['CapDrop'])}",
        "security": _named(host["SecurityOpt"]),
        "privileged": "yes" if host["Privileged"] else "no",
        "memory": f"{_bytes(host['Memory'])}, with swap {_bytes(host['MemorySwap'])}",
        "processes": f"{host['PidsLimit']} with threads",
        "processors": f"{host['NanoCpus'] / 1e9:g}",
        "ulimits": ", ".join(f"{one['Name']} {one['Hard']}" for one in host["Ulimits"]),
        "IPC": f"{host['IpcMode']}, {_bytes(host['ShmSize'])}; {_pairs(host['Sysctls'])}",
        "log": host["LogConfig"]["Type"],
        "ends": "when its owner's end of stdin closes; removed by the engine then",
    }


def _difference(options: Mapping[str, Any], other: Mapping[str, Any]) -> Rows:
    """What is not the same as in the container shown before."""
    before = _container(other)
    changed = {name: words for name, words in _container(options).items() if words != before[name]}
    return changed | {"all else": "as the box above"}


def _job(job: Mapping[str, Any]) -> Rows:
    return {
        "user": f"{job['uid']}, a judge {job['judge_uid']}, or the next free ones; no capability",
        "time": f"{job['wall_seconds']:g} s from its fork, unless a check has its own; then it is killed",
        "output": f"{_bytes(job['output_bytes'])} of all streams; then it is killed",
        "kept of it": f"{_bytes(job['kept_bytes'])} a stream, half from its head and half from its tail",
        "events": f"{_bytes(job['events_bytes'])} of a test session; then it is killed",
        "one file": _bytes(job["file_bytes"]),
        "open files": f"{job['open_files']} a process",
        "core dumps": _bytes(job["core_bytes"]),
        "input": f"{_bytes(job['stdin_bytes'])}, arguments {_bytes(job['arguments_bytes'])}",
        "afterwards": "every process that it left is killed before its result is told",
    }


def _store(policy: PolicySummary) -> Rows:
    store = policy.store
    return {
        "kind": str(store["kind"]),
        "volume": _pairs(policy.volume) or "a plain local volume; capped by the keeper alone",
        "bytes": _bytes(int(store["store_bytes"])),
        "files": f"{store['store_files']}, folders {store['store_folders']}",
        "one file": _bytes(int(store["file_bytes"])),
        "paths": f"{store['path_bytes']} bytes, {store['segment_bytes']} a segment, "
        f"{store['path_depth']} segments",
    }


def _seccomp(policy: PolicySummary) -> Rows:
    summary = policy.seccomp
    return {
        "sha256": summary.digest,
        "all others": summary.default_action,
        "architectures": _named(summary.architectures),
        "allowed": f"{summary.allowed} calls, of which by their arguments: {_named(summary.conditional)}",
        "sockets": _named(summary.families),
        "among denied": _named(summary.denied),
        "under gVisor": "runsc ignores this profile; calls reach gVisor's own kernel and not the host's",
    }


def _named(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _pairs(pairs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in pairs.items())


def _bytes(count: int) -> str:
    """In the largest unit that divides it; exact."""
    return next(
        (f"{count // size} {unit}" for size, unit in _UNITS if count and count % size == 0), f"{count} B"
    )
