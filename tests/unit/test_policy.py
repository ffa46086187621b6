"""The isolation policy, as data."""

from __future__ import annotations

import re

import pytest

from lmac_sandbox.inside.places import JOB_UID, KEEPER_UID
from lmac_sandbox.limits import MIB, Limits, StoreLimits
from lmac_sandbox.policy import (
    ENVIRONMENT,
    Options,
    box_options,
    keeper_options,
    volume_bytes,
    volume_options,
)

LABELS = {"lmac.run": "r"}
BOX = box_options(Limits(), "sha256:1", "v", LABELS)
KEEPER = keeper_options(StoreLimits(), "sha256:1", "v", LABELS)
BOTH = pytest.mark.parametrize("options", [BOX, KEEPER], ids=["box", "keeper"])


@BOTH
def test_nothing_of_the_host_comes_in(options: Options) -> None:
    host = options["HostConfig"]

    assert host["NetworkMode"] == "none"
    assert host["IpcMode"] == "private"
    assert host["Privileged"] is False
    assert [mount["Type"] for mount in host["Mounts"]] == ["volume"]
    assert not {"Binds", "Devices", "VolumesFrom", "PidMode", "UsernsMode", "ExtraHosts"} & host.keys()
    assert not any("proxy" in entry.lower() for entry in options["Env"])


@BOTH
def test_privileges_are_dropped_and_cannot_come_back(options: Options) -> None:
    host = options["HostConfig"]

    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["ReadonlyRootfs"] is True


def test_only_the_runner_has_capabilities_and_only_three() -> None:
    assert BOX["HostConfig"]["CapAdd"] == ["SETUID", "SETGID", "KILL"]
    assert "CapAdd" not in KEEPER["HostConfig"]
    assert KEEPER["User"] == f"{KEEPER_UID}:{KEEPER_UID}"


@BOTH
def test_memory_has_no_swap_and_processes_are_capped(options: Options) -> None:
    host = options["HostConfig"]

    assert host["Memory"] == host["MemorySwap"]
    assert 0 < host["PidsLimit"] <= 64
    assert {limit["Name"]: limit["Hard"] for limit in host["Ulimits"]}["core"] == 0


@BOTH
def test_the_container_ends_with_its_owner_and_leaves_no_log(options: Options) -> None:
    assert options["OpenStdin"] is options["StdinOnce"] is True
    assert options["HostConfig"]["AutoRemove"] is True
    assert options["HostConfig"]["LogConfig"]["Type"] == "none"


def test_a_box_sees_the_store_read_only_and_the_keeper_alone_writes_it() -> None:
    assert BOX["HostConfig"]["Mounts"][0]["ReadOnly"] is True
    assert KEEPER["HostConfig"]["Mounts"][0]["ReadOnly"] is False


def test_the_scratch_belongs_to_the_job_and_is_capped_in_bytes_and_inodes() -> None:
    options = set(BOX["HostConfig"]["Tmpfs"]["/scratch"].split(","))

    assert {
        f"size={128 * MIB}",
        "nr_inodes=8192",
        f"uid={JOB_UID}",
        "mode=0700",
        "nosuid",
        "nodev",
    } <= options


def test_the_volume_has_room_for_what_the_store_may_hold() -> None:
    limits = StoreLimits(store_bytes=10 * MIB, store_files=10)
    options = volume_options(limits)["o"]

    assert volume_bytes(limits) > 10 * MIB + limits.file_bytes
    assert f"size={volume_bytes(limits)}" in options
    assert "nr_inodes=22" in options
    assert {"nosuid", "nodev", "noexec"} <= set(options.split(","))


def test_the_keepers_memory_covers_the_store() -> None:
    assert KEEPER["HostConfig"]["Memory"] >= volume_bytes(StoreLimits()) + 32 * MIB


def test_the_environment_is_fixed() -> None:
    assert BOX["Env"] == [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    assert all(re.fullmatch(r"[\x20-\x7e]+", entry) for entry in BOX["Env"])
