"""Users, folders and words of the sandbox image, as host and containers know them."""

from __future__ import annotations

KEEPER_UID = 65531
"""The trusted writer of the store; the users of boxes stand in `users`."""

STORE = "/store"
SCRATCH = "/scratch"
SMALL_TMP = "/tmp"
"""For programs that insist on it; `TEMPORARY` is what the environment names."""
SHARED_MEMORY = "/dev/shm"
DEPENDENCIES = "/opt/dependencies"
"""Packages that generated code asked for. As untrusted as that code: on the path of its processes alone,
never on the runner's, the keeper's or a judge's."""
HOME = f"{SCRATCH}/home"
TEMPORARY = f"{SCRATCH}/tmp"
WORKING_FOLDERS = {"subject": f"{SCRATCH}/subject", "suite": f"{SCRATCH}/suite"}
"""`subject` is the copy of the store; `suite` holds files that the store lacks, such as acceptance tests."""

JUDGE = "/judge"
"""A file system of the judge's user alone."""
JUDGE_SUITE = f"{JUDGE}/suite"
JUDGE_HOME = f"{JUDGE}/home"
JUDGE_TEMPORARY = f"{JUDGE}/tmp"
JUDGE_FOLDERS = (JUDGE_SUITE, JUDGE_HOME, JUDGE_TEMPORARY)

SCRATCH_FOLDERS = (HOME, TEMPORARY, *WORKING_FOLDERS.values())
"""Made by the job's user when a box starts."""

WITHOUT_SESSIONS = "without-sessions"
"""Argument of a runner that serves tools only: it stays small, since it imports nothing of pytest."""
