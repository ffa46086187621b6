"""A lock for tests that compare some."""

from __future__ import annotations

from typing import Any

from lmac.run_lock import RunLock

PLAIN: dict[str, Any] = {
    "version": 1,
    "lmac": {
        "version": "0.1",
        "commit": "c" * 40,
        "dirty": False,
        "source_sha256": "5" * 64,
        "python": "3.12",
    },
    "image": {
        "id": "sha256:1",
        "engine_id": "sha256:1",
        "name": "python",
        "lock_sha256": "2" * 64,
        "recipe_sha256": "3" * 64,
        "layers": ["sha256:a", "sha256:b"],
        "packages": {"deb libc6": {"version": "2.36", "sha256": "6" * 64}},
    },
    "engine": {
        "kind": "docker",
        "version": "27.1",
        "api_version": "1.46",
        "containerd": "1.7",
        "runtime": "runc",
        "runc": "1.1",
        "kernel": "6.1",
        "architecture": "x86_64",
        "cgroup_version": "2",
        "storage_driver": "overlay2",
        "security_options": ["name=seccomp"],
        "rootless": False,
        "userns_remap": False,
    },
    "host": {"system": "Linux", "architecture": "x86_64", "processors": 2},
    "policy": {
        "seccomp_sha256": "7" * 64,
        "containers_sha256": "8" * 64,
        "box": {"pids": 64},
        "store": {"kind": "memory"},
        "isolation": {"runtime": None},
    },
    "prompts": {"sha256": "9" * 64, "each": {"red": "a" * 64}},
    "checks": {"sha256": "b" * 64, "each": {"lint": "c" * 64}},
    "profile": {"name": "m", "temperature": 0.0},
    "model": {
        "name": "m",
        "served": "m",
        "base_url": "http://here/v1",
        "weights_sha256": None,
        "weights_bytes": None,
        "server_package": "",
        "temperature": 0.0,
        "reply_tokens": 512,
        "context_tokens": 4096,
        "seed": 1,
        "server_options": {},
    },
    "config": {"budget": {"tokens": 1000, "calls": None}, "runs_folder": "runs", "seed": 1},
    "input": {
        "task_sha256": "d" * 64,
        "machine": "control-unit",
        "acceptance_form": "api",
        "acceptance": {},
        "start": {},
        "program_sha256": None,
    },
}


def lock(**changes: Any) -> RunLock:
    """The plain lock with other values, by section: `image={"id": "sha256:2"}`."""
    sections = {
        name: {**PLAIN.get(name, {}), **change} if isinstance(change, dict) else change
        for name, change in changes.items()
    }
    return RunLock.model_validate({**PLAIN, **sections})
