"""Isolated execution of untrusted programs, and a store that only one trusted container writes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lmac_sandbox.box import Box, Snapshot
from lmac_sandbox.endings import Ending
from lmac_sandbox.engine import Engine, EngineFacts
from lmac_sandbox.engine_holes import OpenHole, open_holes
from lmac_sandbox.errors import (
    BoxUsed,
    DependencyRefused,
    EngineFailure,
    EngineUnavailable,
    FileMissing,
    ImageError,
    ImageMismatch,
    ImageNotFound,
    IsolationMissing,
    PackageUnavailable,
    PathRejected,
    SandboxError,
    StoreError,
    StoreFull,
    WireError,
)
from lmac_sandbox.inside.judged_form import JudgedForm
from lmac_sandbox.inside.notices import Notice, NoticeKind
from lmac_sandbox.inside.paths import BadPath, check_path
from lmac_sandbox.inside.paths import fold as fold_path
from lmac_sandbox.inside.store_digest import store_digest
from lmac_sandbox.isolation import (
    Fault,
    Isolation,
    describe_isolation,
    isolation_faults,
    isolation_remarks,
    require_isolation,
)
from lmac_sandbox.jobs import Job, JobResult, Output, Reading, printable_text
from lmac_sandbox.keeper import FileEntry, Keeper
from lmac_sandbox.lasting_keeper import LastingKeeper
from lmac_sandbox.limits import Limits, StoreKind, StoreLimits
from lmac_sandbox.overlay import OVERLAY_BYTES, Overlay
from lmac_sandbox.owner import Owner
from lmac_sandbox.policy import Reuse
from lmac_sandbox.policy_summary import PolicySummary, summarize_policy
from lmac_sandbox.pool import Pool
from lmac_sandbox.reaper import Reaped, reap
from lmac_sandbox.requirement_lines import (
    Requirement,
    canonical_name,
    parse_requirement,
    parse_requirements,
)
from lmac_sandbox.sandbox import Sandbox, open_sandbox
from lmac_sandbox.seccomp import SeccompSummary, seccomp_digest, seccomp_summary
from lmac_sandbox.volume import Volume
from lmac_sandbox.warm import WarmBox

if TYPE_CHECKING:
    from lmac_sandbox.dependencies import (
        DependencyLimits,
        DependencyProvider,
        ProvidedDependencies,
        target_job,
        target_of,
    )
    from lmac_sandbox.dependency_wheels import PinnedWheel, Target
    from lmac_sandbox.images import (
        BuiltImage,
        LockChange,
        build_image,
        expected_image_id,
        find_image,
        load_image,
        refresh_lock,
    )
    from lmac_sandbox.packages import fetch_wheel

__all__ = [
    "OVERLAY_BYTES",
    "BadPath",
    "Box",
    "BoxUsed",
    "BuiltImage",
    "DependencyLimits",
    "DependencyProvider",
    "DependencyRefused",
    "Ending",
    "Engine",
    "EngineFacts",
    "EngineFailure",
    "EngineUnavailable",
    "Fault",
    "FileEntry",
    "FileMissing",
    "ImageError",
    "ImageMismatch",
    "ImageNotFound",
    "Isolation",
    "IsolationMissing",
    "Job",
    "JobResult",
    "JudgedForm",
    "Keeper",
    "LastingKeeper",
    "Limits",
    "LockChange",
    "Notice",
    "NoticeKind",
    "OpenHole",
    "Output",
    "Overlay",
    "Owner",
    "PackageUnavailable",
    "PathRejected",
    "PinnedWheel",
    "PolicySummary",
    "Pool",
    "ProvidedDependencies",
    "Reading",
    "Reaped",
    "Requirement",
    "Reuse",
    "Sandbox",
    "SandboxError",
    "SeccompSummary",
    "Snapshot",
    "StoreError",
    "StoreFull",
    "StoreKind",
    "StoreLimits",
    "Target",
    "Volume",
    "WarmBox",
    "WireError",
    "build_image",
    "canonical_name",
    "check_path",
    "describe_isolation",
    "expected_image_id",
    "fetch_wheel",
    "find_image",
    "fold_path",
    "isolation_faults",
    "isolation_remarks",
    "load_image",
    "open_holes",
    "open_sandbox",
    "parse_requirement",
    "parse_requirements",
    "printable_text",
    "reap",
    "refresh_lock",
    "require_isolation",
    "seccomp_digest",
    "seccomp_summary",
    "store_digest",
    "summarize_policy",
    "target_job",
    "target_of",
]

# Building images needs the readers of YAML, most programs that run boxes do not: 0.15 s.
_IMPORTED_ON_USE = {
    "BuiltImage": "images",
    "DependencyLimits": "dependencies",
    "DependencyProvider": "dependencies",
    "LockChange": "images",
    "PinnedWheel": "dependency_wheels",
    "ProvidedDependencies": "dependencies",
    "Target": "dependency_wheels",
    "build_image": "images",
    "expected_image_id": "images",
    "fetch_wheel": "packages",
    "find_image": "images",
    "load_image": "images",
    "refresh_lock": "images",
    "target_job": "dependencies",
    "target_of": "dependencies",
}


def __getattr__(name: str) -> Any:
    """Import what was left out, when it is first asked for."""
    if name not in _IMPORTED_ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_IMPORTED_ON_USE[name]}"), name)
