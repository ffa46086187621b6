"""Limits are positive, and what travels in a frame fits into it."""

from __future__ import annotations

import math
import re

import pytest

from lmac_sandbox.inside.ending import Ending, Facts, judge
from lmac_sandbox.inside.frames import encode
from lmac_sandbox.inside.paths import PATH_BYTES
from lmac_sandbox.inside.users import BoxUsers
from lmac_sandbox.limits import _BOX_OWN_BYTES, MIB, Limits, StoreLimits
from lmac_sandbox.policy import box_options


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_limit_must_be_a_positive_number(value: float) -> None:
    with pytest.raises(ValueError, match="wall_seconds"):
        Limits(wall_seconds=value)


def test_limits_that_no_frame_could_carry_are_refused() -> None:
    with pytest.raises(ValueError, match="events_bytes"):
        Limits(events_bytes=9 * MIB)
    with pytest.raises(ValueError, match="file_bytes"):
        StoreLimits(file_bytes=9 * MIB)


def test_limits_that_only_together_pass_a_frame_are_refused_by_both_keys_and_values() -> None:
    Limits(kept_bytes=4 * MIB, events_bytes=7 * MIB)
    Limits(kept_bytes=3 * MIB, events_bytes=8 * MIB)
    with pytest.raises(ValueError, match=f"kept_bytes is {4 * MIB} and events_bytes is {8 * MIB}"):
        Limits(kept_bytes=4 * MIB, events_bytes=8 * MIB)


def test_a_scratch_that_would_eat_all_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="scratch counts as memory"):
        Limits(memory_bytes=128 * MIB, scratch_bytes=128 * MIB)


@pytest.mark.parametrize(
    ("facts", "ending"),
    [
        (Facts(0, None), Ending.EXITED),
        (Facts(1, None), Ending.EXITED),
        (Facts(None, 11), Ending.SIGNALLED),
        (Facts(0, None, oom_kills=1), Ending.OUT_OF_MEMORY),
        (Facts(None, 9, stopped_for=Ending.TIMED_OUT, oom_kills=1), Ending.OUT_OF_MEMORY),
        (Facts(None, 9, stopped_for=Ending.TIMED_OUT, processes_denied=5), Ending.PROCESS_LIMIT),
        (Facts(None, 9, oom_kills=1, processes_denied=5), Ending.PROCESS_LIMIT),
        (Facts(None, 9, stopped_for=Ending.OUTPUT_LIMIT), Ending.OUTPUT_LIMIT),
        (Facts(1, None, scratch_was_full=True), Ending.DISK_LIMIT),
        (Facts(0, None, scratch_was_full=True), Ending.EXITED),
        (Facts(None, 25), Ending.DISK_LIMIT),
        (Facts(0, None, reports=True, was_read=True), Ending.INCOMPLETE),
        (Facts(0, None, reports=True, was_read=True, reported_exit_code=0), Ending.EXITED),
        (Facts(0, None, reports=True, was_read=True, reported_exit_code=1), Ending.TAMPERED),
        (Facts(0, None, reports=True, reported_exit_code=0), Ending.INCOMPLETE),
        (Facts(0, None, reports=True, report_garbled=True, reported_exit_code=0), Ending.TAMPERED),
    ],
)
def test_the_first_cause_names_the_ending(facts: Facts, ending: Ending) -> None:
    assert judge(facts) is ending


def test_the_longest_listing_of_a_store_fits_into_one_frame() -> None:
    with pytest.raises(ValueError, match="store_files") as refused:
        StoreLimits(store_files=2**16)
    most = int(re.search(r"at most (\d+)", str(refused.value))[1])  # type: ignore[index]  # it matches
    longest = max(
        ("/".join(["\U0001f600" * 25] * 2 + ["\U0001f600" * 13]), "\xe9" * 127 + "a", '"' * PATH_BYTES),
        key=lambda path: len(encode({"": path})),
    )
    limits = StoreLimits(store_files=most)
    entries = [(longest, limits.file_bytes, "0" * 64)] * most

    assert len(longest.encode()) <= PATH_BYTES
    assert encode({"id": 2**32, "entries": entries})


def test_a_box_has_memory_for_everything_that_it_holds_in_memory() -> None:
    least = Limits(memory_bytes=2**30, scratch_bytes=2**30 - _BOX_OWN_BYTES)
    host = box_options(least, "sha256:1", "v", {}, BoxUsers(0))["HostConfig"]
    mounts = [int(size) for size in re.findall(r"size=(\d+)m", " ".join(host["Tmpfs"].values()))]

    # Beside them: the runner and one tool.
    assert sum(mounts) * MIB + host["ShmSize"] + 64 * MIB <= _BOX_OWN_BYTES
