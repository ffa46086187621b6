"""The whole policy of a run as one value, to be read by people and compared by programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from lmac_sandbox.inside.paths import DEPTH, PATH_BYTES, SEGMENT_BYTES
from lmac_sandbox.inside.users import BoxUsers
from lmac_sandbox.isolation import Isolation
from lmac_sandbox.jobs import ARGUMENTS_BYTES, STDIN_BYTES
from lmac_sandbox.limits import Limits, StoreLimits
from lmac_sandbox.owner import Owner
from lmac_sandbox.policy import (
    TOOLS_RUNNER_COMMAND,
    Options,
    box_options,
    for_engine,
    keeper_options,
    volume_options,
)
from lmac_sandbox.seccomp import SeccompSummary, seccomp_json, seccomp_option, seccomp_summary

EXAMPLE_OWNER = Owner(
    run_id="RUN", pid=0, started="STARTED", machine_id="MACHINE", host_name="HOST", pid_namespace="NAMESPACE"
)
EXAMPLE_VOLUME = "VOLUME"
EXAMPLE_USERS = BoxUsers(0)
"""Each box has other ones; these are the first."""


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """Everything that containers of a run are made with, and what is held against jobs and files in them."""

    box: Options
    """As the engine gets it, but for the system call profile, whose digest stands in its place."""
    tools_box: Options
    """Of checks that load nothing from the store."""
    keeper: Options
    volume: dict[str, str]
    """Driver options; none for a volume on a disk."""
    job: dict[str, int | float]
    """What the runner holds against each job, whatever the container may use."""
    store: dict[str, int | str]
    """What the keeper holds against each write."""
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

    def shown(options: Options) -> Options:
        host = options["HostConfig"]
        security = [
            f"seccomp=sha256:{summary.digest}" if option == seccomp_option() else option
            for option in host["SecurityOpt"]
        ]
        whole = options | {"HostConfig": host | {"SecurityOpt": security}}
        return for_engine(whole, "docker", isolation.runtime)

    labels = EXAMPLE_OWNER.labels("box")
    return PolicySummary(
        box=shown(box_options(limits, image, EXAMPLE_VOLUME, labels, EXAMPLE_USERS)),
        tools_box=shown(
            box_options(limits, image, EXAMPLE_VOLUME, labels, EXAMPLE_USERS, TOOLS_RUNNER_COMMAND)
        ),
        keeper=shown(keeper_options(store_limits, image, EXAMPLE_VOLUME, EXAMPLE_OWNER.labels("keeper"))),
        volume=volume_options(store_limits),
        job=_job(limits),
        store=_store(store_limits),
        seccomp=summary,
    )


def _job(limits: Limits) -> dict[str, int | float]:
    return {
        "uid": EXAMPLE_USERS.job,
        "judge_uid": EXAMPLE_USERS.judge,
        "wall_seconds": limits.wall_seconds,
        "output_bytes": limits.output_bytes,
        "kept_bytes": limits.kept_bytes,
        "events_bytes": limits.events_bytes,
        "file_bytes": limits.file_bytes,
        "open_files": limits.open_files,
        "core_bytes": 0,
        "stdin_bytes": STDIN_BYTES,
        "arguments_bytes": ARGUMENTS_BYTES,
    }


def _store(limits: StoreLimits) -> dict[str, int | str]:
    paths = {"path_bytes": PATH_BYTES, "segment_bytes": SEGMENT_BYTES, "path_depth": DEPTH}
    return asdict(limits) | {"store_folders": limits.store_files} | paths
