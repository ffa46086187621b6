"""A recorded run of a real model, done again."""

from __future__ import annotations

import os
import statistics

from bench.figures import Measured, figure, median_seconds
from bench.stage import CHECKOUT
from lmac.inputs import cache_folder
from lmac.replaying import replay
from lmac.shipped_images import resolve_image
from lmac_sandbox import Engine, open_sandbox

RECORDING = CHECKOUT / "tests" / "recordings" / "small-stack-queue"
TIMES = 3


@figure("x", at_most=1.3)
def replay_ratio_to_boxes() -> Measured:
    """The whole replay against its boxes alone: all of them started and removed, and every check executed."""
    replayed = [replay(RECORDING, os.environ, on="python") for _ in range(TIMES)]
    assert all(one.identical for one in replayed), "record anew: `make record`"
    whole = statistics.median(one.seconds for one in replayed)
    executing = statistics.median(one.box_seconds for one in replayed)
    around = _around_seconds()
    said = f"{whole:.2f} s against {executing:.2f} s of checks and {around:.2f} s around them"
    return Measured(whole / (executing + around), said)


def _around_seconds() -> float:
    """To start and remove a sandbox in which nothing is done."""
    with Engine.connect() as engine:
        image_id = resolve_image(engine, "python", cache_folder(os.environ))

        def nothing() -> None:
            with open_sandbox(engine, image_id):
                pass

        return median_seconds(TIMES, nothing)
