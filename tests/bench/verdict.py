"""From one written file to the verdict of syntax, lint and three tests, in boxes that nobody used."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache, partial
from pathlib import Path

from bench.figures import Measured, figure, seconds
from bench.stage import MODULE, TESTS, Stage, measured_checks, staged
from lmac.config import RunConfig
from lmac.evaluator import Evaluator
from lmac_sandbox import Pool

SAMPLES = 15
REFILL_SECONDS = 1.0
"""A model takes longer than that for a turn; meanwhile the pool starts the next box."""


@figure("s", at_most=1.0)
def verdict_seconds() -> Measured:
    """The median over never-used boxes of a pool."""
    mine, host = _medians()
    return Measured(mine, f"plain `python -m pytest` on the host {host:.3f} s")


@figure("x", at_most=0.35)
def verdict_ratio_to_host_pytest() -> Measured:
    """The whole verdict against plain `python -m pytest` alone, taken turn about."""
    mine, host = _medians()
    return Measured(mine / host, f"{mine:.3f} s against {host:.3f} s")


@cache
def _medians() -> tuple[float, float]:
    config = RunConfig()
    checks = measured_checks(config)
    with (
        tempfile.TemporaryDirectory() as folder,
        staged() as stage,
        Pool(stage.engine, stage.volume, stage.image_id, stage.owner, config.box) as pool,
    ):
        evaluator = Evaluator(pool, checks)
        _write_suite(stage, Path(folder))
        mine, host = [], []
        for number in range(SAMPLES):
            time.sleep(REFILL_SECONDS)
            mine.append(seconds(partial(_judge, stage, evaluator, number)))
            host.append(seconds(partial(_pytest_on_host, folder)))
    return statistics.median(mine), statistics.median(host)


def _write_suite(stage: Stage, folder: Path) -> None:
    stage.keeper.write("test_counter.py", TESTS.encode())
    for name, text in (("counter.py", MODULE), ("test_counter.py", TESTS)):
        (folder / name).write_text(text)


def _judge(stage: Stage, evaluator: Evaluator, number: int) -> None:
    digest = stage.keeper.write("counter.py", f"{MODULE}\n\nNUMBER = {number}\n".encode())
    report = evaluator.evaluate(digest)
    assert report.green, report


def _pytest_on_host(folder: str) -> None:
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")
    # The plugins of our own development tools take a second to import, which would flatter us.
    plain = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(argv, cwd=folder, env=plain, check=True, stdout=subprocess.DEVNULL)
