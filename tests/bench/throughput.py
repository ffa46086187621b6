"""Checks a minute, sustained, by two workers with a store each; beside them what the engine alone can do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from itertools import count
from typing import Any

from bench.figures import Measured, figure, seconds
from bench.stage import MODULE, TESTS, Stage, evaluator_of, staged
from lmac.evaluator import Evaluator
from lmac_sandbox import Limits, Pool, Reuse, WarmBox
from lmac_sandbox.inside.users import BoxUsers
from lmac_sandbox.policy import Options, box_options

WORKERS = 2
ROUNDS = 2
CONTAINERS = 8
"""A worker and a round."""
WARM_CHECKS = 50

Rates = dict[str, float]
Step = Callable[[], None]


@figure("x", at_least=0.9)
def single_use_ratio_to_docker_import() -> Measured:
    """Write, verdict, throw away, against create, start, `import pytest`, wait, remove; equally hardened."""
    rates = _rates()
    said = f"{rates['import']:.0f}/min, and {rates['bare']:.0f}/min of bare `true`; {WORKERS} workers"
    return Measured(
        rates["single"] / rates["import"],
        f"{rates['single']:.0f} checks/min against {said}",
    )


@figure("x", at_least=8)
def run_grade_ratio_to_single_use() -> Measured:
    """The same checks with the tests in a warm box too."""
    rates = _rates()
    return Measured(
        rates["run"] / rates["single"], f"{rates['run']:.0f} checks/min against {rates['single']:.0f}"
    )


@cache
def _rates() -> Rates:
    """Per minute; all of them by turns, so that a busy moment of the machine meets each."""
    spent = dict.fromkeys(("single", "import", "bare", "run"), 0.0)
    with ExitStack() as stack:
        workers = [_steps(stack) for _ in range(WORKERS)]
        executor = stack.enter_context(ThreadPoolExecutor(WORKERS))
        for name in ("run", "single"):
            _at_once(executor, workers, name, 1)
        for _ in range(ROUNDS):
            for name in spent:
                spent[name] += seconds(partial(_at_once, executor, workers, name, _times(name)))
    return {name: 60 * ROUNDS * WORKERS * _times(name) / spent[name] for name in spent}


def _times(name: str) -> int:
    return WARM_CHECKS if name == "run" else CONTAINERS


def _at_once(executor: ThreadPoolExecutor, workers: list[dict[str, Step]], name: str, times: int) -> None:
    def repeat(step: Step) -> None:
        for _ in range(times):
            step()

    list(executor.map(repeat, [steps[name] for steps in workers]))


def _steps(stack: ExitStack) -> dict[str, Step]:
    """What one worker does, by name."""
    stage = stack.enter_context(staged())
    limits = Limits()
    pool = stack.enter_context(Pool(stage.engine, stage.volume, stage.image_id, stage.owner, limits))
    tools = stack.enter_context(WarmBox(partial(stage.box, sessions=False, reuse=Reuse.RUN)))
    tests = stack.enter_context(WarmBox(partial(stage.box, reuse=Reuse.RUN)))
    stage.keeper.write("test_counter.py", TESTS.encode())
    options = box_options(limits, stage.image_id, stage.volume.name, stage.owner.labels("bench"), BoxUsers(0))
    numbers = count()
    return {
        "single": partial(_judge, stage, evaluator_of(pool, tools), numbers),
        "run": partial(_judge, stage, evaluator_of(pool, tools, tests), numbers),
        "import": partial(_container, stage, options, ("/usr/bin/python3", "-c", "import pytest")),
        "bare": partial(_container, stage, options, ("/usr/bin/true",)),
    }


def _judge(stage: Stage, evaluator: Evaluator, numbers: count[int]) -> None:
    content = f"{MODULE}\n\nNUMBER = {next(numbers)}\n".encode()
    report = evaluator.evaluate(stage.keeper.write("counter.py", content))
    assert report.green, report


def _container(stage: Stage, options: Options, command: tuple[str, ...]) -> None:
    """Create, start, wait, remove, by the plain client."""
    host: dict[str, Any] = options["HostConfig"] | {"AutoRemove": False}
    plain = {"Cmd": list(command), "HostConfig": host, "OpenStdin": False, "AttachStdin": False}
    with stage.engine.call("run a container") as client:
        api: Any = client.api
        container_id = api.create_container_from_config(options | plain)["Id"]
        api.start(container_id)
        status = api.wait(container_id)["StatusCode"]
        api.remove_container(container_id)
    assert status == 0, status
