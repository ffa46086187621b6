"""From one written file to the verdict of syntax, lint and three tests, in boxes that nobody used."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

from bench.figures import Measured, figure, seconds
from bench.stage import CHECKOUT, MODULE, TESTS, Stage, evaluator_of, measured_checks, staged
from lmac.config import RunConfig
from lmac.evaluator import Evaluator
from lmac_sandbox import Limits, Pool, Reuse, WarmBox

SAMPLES = 15
REFILL_SECONDS = 1.0
"""A model takes longer than that for a turn; meanwhile the pool starts the next box."""

Times = dict[str, list[float]]


@figure("s", at_most=1.0)
def verdict_seconds() -> Measured:
    """The median over never-used boxes of a pool."""
    mine = sorted(_times()["mine"])
    return Measured(statistics.median(mine), f"{mine[0]:.3f} to {mine[-1]:.3f} s in {SAMPLES} samples")


@figure("x", at_most=0.35)
def verdict_ratio_to_host_pytest() -> Measured:
    """The whole verdict against plain `python -m pytest` alone, taken turn about."""
    return _ratio("pytest")


@figure("x", at_most=1.2)
def verdict_ratio_to_forked_host() -> Measured:
    """The same against the same tools on the host, imported before and forked, one after the other."""
    return _ratio("forked")


def _ratio(other: str) -> Measured:
    mine, host = (statistics.median(_times()[name]) for name in ("mine", other))
    return Measured(mine / host, f"{mine:.3f} s against {host:.3f} s")


@cache
def _times() -> Times:
    with (
        tempfile.TemporaryDirectory() as folder,
        staged() as stage,
        Pool(stage.engine, stage.volume, stage.image_id, stage.owner, Limits()) as pool,
        WarmBox(partial(stage.box, sessions=False, reuse=Reuse.RUN)) as warm,
        _forked_host(Path(folder)) as forked,
    ):
        evaluator = evaluator_of(pool, warm)
        stage.keeper.write("test_counter.py", TESTS.encode())
        (Path(folder) / "test_counter.py").write_text(TESTS)
        times: Times = {"mine": [], "pytest": [], "forked": []}
        for number in range(SAMPLES):
            content = f"{MODULE}\n\nNUMBER = {number}\n".encode()
            time.sleep(REFILL_SECONDS)
            times["mine"].append(seconds(partial(_judge, stage, evaluator, content)))
            time.sleep(REFILL_SECONDS / 2)
            times["forked"].append(seconds(partial(_judge_forked, Path(folder), forked, content)))
            times["pytest"].append(seconds(partial(_pytest_on_host, folder)))
    return times


def _judge(stage: Stage, evaluator: Evaluator, content: bytes) -> None:
    report = evaluator.evaluate(stage.keeper.write("counter.py", content))
    assert report.green, report


def _judge_forked(folder: Path, ask: Callable[[], str], content: bytes) -> None:
    (folder / "counter.py").write_bytes(content)
    answer = ask()
    assert answer == "0\n", answer


def _pytest_on_host(folder: str) -> None:
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")
    subprocess.run(argv, cwd=folder, env=_plain(), check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _forked_host(folder: Path) -> Iterator[Callable[[], str]]:
    (lint,) = (check for check in measured_checks(RunConfig()) if check.name == "lint")
    command = json.loads(lint.job().argv[0])["command"]
    ruff = (str(Path(sys.executable).parent / "ruff"), *command[1:])
    argv = (sys.executable, "-m", "bench.forked_host", str(folder), *ruff)
    environment = {**_plain(), "PYTHONPATH": str(CHECKOUT / "tests")}
    with subprocess.Popen(
        argv, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as host:
        assert host.stdin
        assert host.stdout
        assert host.stdout.readline() == "ready\n"

        def ask() -> str:
            assert host.stdin
            assert host.stdout
            host.stdin.write("\n")
            host.stdin.flush()
            return host.stdout.readline()

        yield ask
        host.stdin.close()


def _plain() -> dict[str, str]:
    # The plugins of our own development tools take a second to import, which would flatter us.
    return {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
