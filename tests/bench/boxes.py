"""Boxes: how soon they stand, what they hold while idle, what a flood of output costs the host."""

from __future__ import annotations

import re
import statistics
import time
from pathlib import Path
from typing import Any

from bench.figures import Measured, figure, median_seconds, seconds
from bench.stage import staged
from lmac_sandbox import Box, Ending, Engine, Job, Limits

MIB = 2**20
FLOOD_BYTES = 2**30
FLOOD = f"""
import os
block = b"x" * 65536
for _ in range({FLOOD_BYTES} // len(block)):
    os.write(1, block)
"""


@figure("ms")
def box_ready_ms() -> Measured:
    """From nothing to a runner that answers; what sessions import, it imports while nobody asks."""
    with staged() as stage:
        mine = median_seconds(7, lambda: stage.box().close())
        bare = median_seconds(7, lambda: _bare(stage.engine, stage.image_id))
        return Measured(mine * 1000, f"create + start + wait + remove of `true`: {bare * 1000:.0f} ms")


@figure("MiB", at_most=25)
def idle_box_mib() -> Measured:
    """What a waiting box holds, by its control group, without the page cache of files."""
    with staged() as stage:
        boxes = [stage.box() for _ in range(3)]
        try:
            time.sleep(1)
            held = statistics.median(_held_bytes(stage.engine, box.container_id) for box in boxes)
        finally:
            for box in boxes:
                box.remove()
        return Measured(held / MIB)


@figure("MiB", at_most=20)
def output_1gib_host_growth_mib() -> Measured:
    """A job that writes 1 GiB and may: what it adds to this process at its peak."""
    whole = Limits(output_bytes=2 * FLOOD_BYTES)
    with staged() as stage, stage.box(whole) as box:
        box.snapshot()
        box.run(_python("print('warm')"))
        return Measured(_peak_growth_bytes(lambda: _flood(box, Ending.EXITED)) / MIB)


@figure("s", at_most=1)
def output_capped_s() -> Measured:
    """The same job under the default cap: from its start to its result, the cap and the purge included."""
    with staged() as stage, stage.box() as box:
        box.snapshot()
        return Measured(seconds(lambda: _flood(box, Ending.OUTPUT_LIMIT)))


def _flood(box: Box, ending: Ending) -> None:
    result = box.run(_python(FLOOD))
    assert result.ending is ending, result
    if ending is Ending.EXITED:
        assert result.stdout.total_bytes == FLOOD_BYTES, result.stdout.total_bytes


def _python(code: str) -> Job:
    return Job(("/usr/bin/python3", "-I", "-c", code))


def _bare(engine: Engine, image_id: str) -> None:
    with engine.call("run `true`") as client:
        client.containers.run(image_id, ["/usr/bin/true"], network_mode="none", remove=True)


def _held_bytes(engine: Engine, container_id: str) -> float:
    with engine.call("read the memory of a box") as client:
        memory: dict[str, Any] = client.api.stats(container_id, stream=False)["memory_stats"]
    # The first is named so by the first version of control groups, the second by both.
    cached = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    return float(memory["usage"] - cached)


def _peak_growth_bytes(action: Any) -> int:
    """How far the resident memory of this process rises above where it is now."""
    # 5: forget the peak so far.
    Path("/proc/self/clear_refs").write_text("5")
    before = own_memory_bytes("VmRSS")
    action()
    return own_memory_bytes("VmHWM") - before


def own_memory_bytes(field: str, process: int | str = "self") -> int:
    """One field of a process's status, in bytes; 0 when the process is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
