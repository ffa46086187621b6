"""Everybody in turn, again and again, so that a slow minute of the machine slows everybody down."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from bench.peers.job import Took
from bench.peers.remote import DriverFailed
from bench.peers.table import Row
from bench.stage import MODULE, TESTS

Sample = Callable[[Mapping[str, str]], Took]
"""Does the job once with these files."""


def take_turns(
    samples: Mapping[tuple[str, str], Sample], rounds: int, pause_seconds: float
) -> tuple[list[Row], dict[str, str]]:
    """The rows of those who did the job every time, and why the others did not.

    Args:
        samples: By who and mode.
        rounds: That count; one before them does not, while pools fill and files come into the page cache.
        pause_seconds: Before every sample.
    """
    took: defaultdict[tuple[str, str], list[Took]] = defaultdict(list)
    left, failed = list(samples), {}
    for number in range(1 + rounds):
        files = {"counter.py": f"{MODULE}\n\nNUMBER = {number}\n", "test_counter.py": TESTS}
        first = number % len(left)
        # Nobody always follows the same neighbour.
        for name in left[first:] + left[:first]:
            time.sleep(pause_seconds)
            try:
                took[name].append(samples[name](files))
            except DriverFailed as error:
                failed[", ".join(name)] = str(error)
                left.remove(name)
        print(f"round {number} of {rounds}", flush=True)
    return [Row(*name, tuple(took[name][1:])) for name in left], failed
