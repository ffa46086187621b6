"""The isolation policy, as data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lmac_sandbox.box_users import UserTurns
from lmac_sandbox.image_definition import read_definition
from lmac_sandbox.inside.counters import UNCOUNTED
from lmac_sandbox.inside.places import KEEPER_UID
from lmac_sandbox.inside.users import FIRST_JOB_UID, FIRST_JUDGE_UID, PAIRS, BoxUsers
from lmac_sandbox.limits import MIB, Limits, StoreKind, StoreLimits
from lmac_sandbox.policy import (
    ENVIRONMENT,
    Options,
    box_options,
    for_engine,
    keeper_options,
    volume_bytes,
    volume_options,
)
from lmac_sandbox.seccomp import profile_path

IMAGES = sorted(path.parent for path in (Path(__file__).parents[2] / "images").glob("*/image.yaml"))
LABELS = {"lmac.run": "r"}
USERS = BoxUsers(7)
BOX = box_options(Limits(), "sha256:1", "v", LABELS, USERS)
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
def test_what_outlives_a_process_in_system_v_is_removed_with_it_or_small(options: Options) -> None:
    settings = options["HostConfig"]["Sysctls"]
    queues, bytes_each = int(settings["kernel.msgmni"]), int(settings["kernel.msgmnb"])

    assert settings["kernel.shm_rmid_forced"] == "1"
    assert queues * bytes_each <= MIB


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
        f"uid={USERS.job}",
        f"gid={USERS.job}",
        "mode=0700",
        "nosuid",
        "nodev",
    } <= options


def test_the_judges_files_are_its_own_and_cannot_be_executed() -> None:
    options = set(BOX["HostConfig"]["Tmpfs"]["/judge"].split(","))

    assert {"size=16m", f"uid={USERS.judge}", "mode=0700", "nosuid", "nodev", "noexec"} <= options


def test_the_runner_is_told_the_users_of_its_box_and_each_pair_has_its_own() -> None:
    pairs = [BoxUsers(pair) for pair in range(PAIRS)]
    uids = {uid for users in pairs for uid in (users.job, users.judge)}

    assert BoxUsers.told_by(BOX["Cmd"]) == USERS
    assert uids == set(range(FIRST_JOB_UID, FIRST_JUDGE_UID + PAIRS))
    assert len(uids) == 2 * PAIRS
    assert not {0, KEEPER_UID} & uids
    # Where an engine remaps users, there are so many.
    assert max(uids) < 2**16


@pytest.mark.parametrize("argument", ["users=300", "users=-1", "users=x", "users="])
def test_a_pair_of_users_that_is_none_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match=r"no pair of users|invalid literal"):
        BoxUsers.told_by(["start.py", argument])


def test_boxes_that_live_at_the_same_time_have_different_users() -> None:
    turns = UserTurns()
    kept = turns.next(7)
    others = [turns.next(7) for _ in range(PAIRS - 1)]
    first = others[0].pair
    del others[0]

    assert len({users.pair for users in (kept, *others)}) == PAIRS - 1
    # The one that was given back is the only one that is free.
    assert turns.next(7).pair == first


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_every_image_knows_the_users_of_all_boxes_by_name(folder: Path) -> None:
    users = read_definition(folder).users

    assert users["job"].uids == range(FIRST_JOB_UID, FIRST_JOB_UID + PAIRS)
    assert users["judge"].uids == range(FIRST_JUDGE_UID, FIRST_JUDGE_UID + PAIRS)
    assert users["keeper"].uids == range(KEEPER_UID, KEEPER_UID + 1)


def test_the_volume_has_room_for_what_the_store_may_hold() -> None:
    limits = StoreLimits(store_bytes=10 * MIB, store_files=10)
    options = volume_options(limits)["o"]

    assert volume_bytes(limits) > 10 * MIB + limits.file_bytes
    assert f"nr_blocks={-(-volume_bytes(limits) // 4096)}" in options
    assert "nr_inodes=22" in options
    assert {"nosuid", "nodev", "noexec"} <= set(options.split(","))


def test_the_keepers_memory_covers_the_store() -> None:
    assert KEEPER["HostConfig"]["Memory"] >= volume_bytes(StoreLimits()) + 32 * MIB


def test_the_environment_is_fixed() -> None:
    assert BOX["Env"] == [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    assert all(re.fullmatch(r"[\x20-\x7e]+", entry) for entry in BOX["Env"])


def test_gvisor_gets_room_for_its_own_kernel_and_a_runner_that_counts_nothing() -> None:
    box, keeper = (for_engine(options, "docker", "runsc") for options in (BOX, KEEPER))

    assert box["HostConfig"]["Runtime"] == keeper["HostConfig"]["Runtime"] == "runsc"
    assert box["HostConfig"]["PidsLimit"] > BOX["HostConfig"]["PidsLimit"]
    assert box["HostConfig"]["Memory"] == box["HostConfig"]["MemorySwap"] > BOX["HostConfig"]["Memory"]
    assert box["Cmd"] == [*BOX["Cmd"], UNCOUNTED]
    assert keeper["Cmd"] == KEEPER["Cmd"]


def test_podman_gets_the_profile_as_a_file_and_only_options_that_it_knows() -> None:
    box = for_engine(BOX, "podman", None)["HostConfig"]

    assert box["SecurityOpt"] == ["no-new-privileges", f"seccomp={profile_path()}"]
    assert profile_path().is_file()
    assert not [mount for mount in box["Tmpfs"].values() if "nr_inodes" in mount or "uid=" in mount]
    assert all("nosuid,nodev,size=" in mount for mount in box["Tmpfs"].values())
    assert box["CapAdd"] == ["SETUID", "SETGID", "KILL", "CHOWN"]
    assert for_engine(KEEPER, "podman", None)["HostConfig"]["CapAdd"] == []


def test_the_default_runtime_of_a_docker_engine_changes_nothing() -> None:
    assert for_engine(BOX, "docker", None) == BOX
    assert for_engine(KEEPER, "docker", None) == KEEPER


def test_a_store_on_a_disk_has_a_plain_volume_that_takes_its_owner_from_the_image() -> None:
    limits = StoreLimits(kind=StoreKind.DISK, store_bytes=4096 * MIB)
    keeper = keeper_options(limits, "sha256:1", "v", LABELS)

    assert volume_options(limits) == {}
    assert keeper["HostConfig"]["Mounts"][0]["VolumeOptions"] == {"NoCopy": False}
    assert KEEPER["HostConfig"]["Mounts"][0]["VolumeOptions"] == {"NoCopy": True}
    assert BOX["HostConfig"]["Mounts"][0]["VolumeOptions"] == {"NoCopy": True}
    assert keeper["HostConfig"]["Memory"] < 256 * MIB
