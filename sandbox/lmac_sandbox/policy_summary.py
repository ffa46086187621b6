"""The whole policy of a run as one value, to be read by people and compared by programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lmac_sandbox.inside.users import BoxUsers
from lmac_sandbox.isolation import Isolation
from lmac_sandbox.limits import Limits, StoreLimits
from lmac_sandbox.owner import Owner
from lmac_sandbox.policy import Options, box_options, for_engine, keeper_options, volume_options
from lmac_sandbox.seccomp import SeccompSummary, seccomp_json, seccomp_option, seccomp_summary

EXAMPLE_OWNER = Owner(
    run_id="RUN", pid=0, started="STARTED", machine_id="MACHINE", host_name="HOST", pid_namespace="NAMESPACE"
)
EXAMPLE_VOLUME = "VOLUME"
EXAMPLE_USERS = BoxUsers(0)
"""Each box has other ones; these are the first."""


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """Everything that containers of a run are made with."""

    box: Options
    """As the engine gets it, but for the system call profile, whose digest stands in its place."""
    keeper: Options
    volume: dict[str, str]
    """Driver options; none for a volume on a disk."""
    seccomp: SeccompSummary

    def profile(self) -> dict[str, Any]:
        """The system call profile in full."""
        content: dict[str, Any] = json.loads(seccomp_json())
        return content


def summarize_policy(
    limits: Limits, store_limits: StoreLimits, isolation: Isolation, image: str
) -> PolicySummary:
    """What a run with these limits would start; names that a run gives itself stand in capitals.

    Args:
        image: Its name or id, shown as it is.
    """
    summary = seccomp_summary()
    box = box_options(limits, image, EXAMPLE_VOLUME, EXAMPLE_OWNER.labels("box"), EXAMPLE_USERS)
    keeper = keeper_options(store_limits, image, EXAMPLE_VOLUME, EXAMPLE_OWNER.labels("keeper"))
    for options in (box, keeper):
        host = options["HostConfig"]
        host["SecurityOpt"] = [
            f"seccomp=sha256:{summary.digest}" if option == seccomp_option() else option
            for option in host["SecurityOpt"]
        ]
    return PolicySummary(
        for_engine(box, "docker", isolation.runtime),
        for_engine(keeper, "docker", isolation.runtime),
        volume_options(store_limits),
        summary,
    )
