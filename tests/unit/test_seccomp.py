"""The system call profile, as data."""

from __future__ import annotations

import json
from typing import Any

from lmac_sandbox.inside.users import BoxUsers
from lmac_sandbox.limits import Limits, StoreLimits
from lmac_sandbox.policy import box_options, keeper_options
from lmac_sandbox.seccomp import DENIED, seccomp_digest, seccomp_json, seccomp_option, seccomp_summary

PROFILE: dict[str, Any] = json.loads(seccomp_json())
RULES: list[dict[str, Any]] = PROFILE["syscalls"]


def rules_of(name: str) -> list[dict[str, Any]]:
    return [rule for rule in RULES if name in rule["names"]]


def test_what_is_not_listed_is_refused_with_eperm() -> None:
    assert (PROFILE["defaultAction"], PROFILE["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)


def test_only_the_native_calls_of_two_architectures_exist() -> None:
    assert PROFILE["archMap"] == [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
    ]
    assert "architectures" not in PROFILE


def test_no_call_that_is_known_to_be_dangerous_is_listed() -> None:
    listed = {name for rule in RULES for name in rule["names"]}

    assert listed.isdisjoint(DENIED)
    assert not [
        name for name in listed if name.startswith(("io_", "fsmo", "fsop", "process_", "kexec", "swap"))
    ]
    assert seccomp_summary().denied == DENIED


def test_clone3_alone_is_said_to_be_missing() -> None:
    others = [rule for rule in RULES if rule["action"] != "SCMP_ACT_ALLOW"]

    assert [(rule["names"], rule["action"], rule["errnoRet"]) for rule in others] == [
        (["clone3"], "SCMP_ACT_ERRNO", 38)
    ]


def test_sockets_are_of_four_families_and_of_netlink_the_routing_part() -> None:
    def values(name: str) -> list[dict[int, int]]:
        return [{arg["index"]: arg["value"] for arg in rule["args"]} for rule in rules_of(name)]

    assert values("socket") == [{0: 1}, {0: 2}, {0: 10}, {0: 16, 2: 0}]
    assert values("socketpair") == [{0: 1}, {0: 2}, {0: 10}]
    assert all(arg["op"] == "SCMP_CMP_EQ" for rule in rules_of("socket") for arg in rule["args"])


def test_clone_makes_no_namespace() -> None:
    (rule,) = rules_of("clone")
    (arg,) = rule["args"]
    flags = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000

    assert arg == {"index": 0, "value": flags, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}


def test_no_rule_depends_on_capabilities_or_kernels_and_each_says_its_reason() -> None:
    assert all(rule.keys() <= {"comment", "names", "action", "args", "errnoRet"} for rule in RULES)
    assert all(rule["comment"] for rule in RULES)
    unconditional = [name for rule in RULES if "args" not in rule for name in rule["names"]]
    assert len(unconditional) == len(set(unconditional))


def test_every_container_of_ours_gets_the_profile_itself() -> None:
    for options in (
        box_options(Limits(), "sha256:1", "v", {}, BoxUsers(0)),
        keeper_options(StoreLimits(), "sha256:1", "v", {}),
    ):
        assert seccomp_option() in options["HostConfig"]["SecurityOpt"]
    assert json.loads(seccomp_option().removeprefix("seccomp=")) == PROFILE


def test_the_digest_is_of_the_content_and_not_of_its_layout() -> None:
    assert len(seccomp_digest()) == 64
    assert seccomp_json() == json.dumps(PROFILE, sort_keys=True, separators=(",", ":"))
