"""A run's sandbox, and what its tools and checks work with: started in order, ended in reverse."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lmac.assembly.shared import Shared
from lmac.checks import AcceptanceCheck, AcceptanceForm, Check, Severity, StandingSuite, TestCheck
from lmac.config import AcceptanceWhen, RunConfig
from lmac.dependencies import Dependencies, DependencyOptions, DependencyPolicy, past_decisions
from lmac.file_store import FileStore
from lmac.journal import Journal
from lmac.log_events import LEFTOVERS_STAY
from lmac.program import Task
from lmac.recording.taped_evaluator import TapedEvaluator
from lmac.store_map import StoreMap
from lmac.task_examples import examples_of
from lmac.task_examples.stated_names import stated_names
from lmac.task_examples.suite import examples_suite
from lmac.tools import Workspace
from lmac_sandbox import (
    DependencyLimits,
    DependencyProvider,
    Endpoint,
    Engine,
    EngineFailure,
    Owner,
    Reuse,
    Sandbox,
    Target,
    WarmBox,
    open_sandbox,
    reap,
    target_job,
    target_of,
)


@dataclass(frozen=True, slots=True)
class RunSandbox:
    """A run's sandbox, and what its tools and checks work with."""

    workspace: Workspace
    sandbox: Sandbox
    dependencies: Dependencies | None = None
    """None where boxes keep the image that they start with."""

    @contextmanager
    def rescued_store(self) -> Iterator[FileStore]:
        """The store through a second keeper, after an exchange with the first one was broken off.

        Raises:
            SandboxError: no keeper comes up, or the volume is gone.
        """
        with self.sandbox.another_keeper() as keeper:
            yield FileStore(keeper)


def connect_engine(config: RunConfig, shared: Shared | None = None) -> Engine:
    """Reach the engine that carries a run.

    Raises:
        EngineUnavailable: it does not answer.
    """
    shared = shared or Shared()
    endpoint = shared.endpoint or Endpoint(config.engine_url)
    return Engine.connect(endpoint, runtime=config.isolation.runtime, turns=shared.turns)


def start_sandbox(
    config: RunConfig,
    checks: tuple[Check, ...],
    run_id: str,
    image_id: str,
    journal: Journal,
    stack: ExitStack,
    suites: tuple[StandingSuite, ...] = (),
    files: Mapping[str, bytes] | None = None,
    cache: Path | None = None,
    shared: Shared | None = None,
    taped: type[TapedEvaluator] = TapedEvaluator,
) -> RunSandbox:
    """Start volume, keeper and boxes; what dead runs of this machine left is removed first.

    Args:
        files: What the store begins with, by path.
        cache: Keeps what the files depend on; only where they may depend on something.
        taped: How the evaluator makes use of the journal.

    Raises:
        SandboxError: no engine answers, it lacks what the policy needs, a container does not come up, or the
            store does not take the files.
    """
    engine = stack.enter_context(connect_engine(config, shared))
    try:
        # Of a run of its own alone a batch can tell that nobody else in this process works on it.
        is_taken_up = shared is not None and journal.was_resumed
        reap(engine, begun_again=Owner.current(run_id) if is_taken_up else None)
    except EngineFailure as error:
        # Somebody else's leftovers are no reason not to run; `lmac clean` names them.
        journal.append("reap_failed", text=error.message)
        LEFTOVERS_STAY.tell(reason=error.message)
    sandbox = stack.enter_context(
        open_sandbox(
            engine,
            image_id,
            run_id=run_id,
            limits=config.box,
            store_limits=config.store,
            ready_boxes=config.ready_boxes,
            keeper_replaced=lambda reason: journal.append("keeper_replaced", text=reason),
        )
    )
    if files:
        sandbox.store.write_many(files)
    tools = sandbox.warm_box(sessions=False)
    # A box of its own: one that has executed generated code is not for tools.
    tests = sandbox.warm_box() if config.evaluation.test_reuse is Reuse.RUN else sandbox.boxes
    store = FileStore(sandbox.store)
    dependencies = _dependencies(config.dependencies, sandbox, tools, store, journal, cache)
    evaluator = taped(
        journal,
        sandbox.boxes,
        _as_configured(checks, config, suites),
        tools,
        tests,
        suites=suites,
        overlay_digest=store.overlay_digest,
        most_at_once=config.evaluation.candidates_at_once or max(config.ready_boxes, os.cpu_count() or 1),
        preparation=dependencies,
    )
    return RunSandbox(Workspace(store, evaluator, StoreMap(evaluator, store)), sandbox, dependencies)


def _dependencies(
    options: DependencyOptions,
    sandbox: Sandbox,
    tools: WarmBox,
    store: FileStore,
    journal: Journal,
    cache: Path | None,
) -> Dependencies:
    def target() -> Target:
        # Of the tools: nothing that was generated has run in it.
        with tools.take() as box:
            box.snapshot()
            return target_of(box.run(target_job()))

    provider = None
    if cache is not None and options.policy is not DependencyPolicy.NONE:
        provider = DependencyProvider(
            sandbox.engine,
            sandbox.image_id,
            cache / "dependencies",
            DependencyLimits(options.most_packages, options.unpacked_bytes, options.fetch_seconds),
            options.index_url,
        )
    return Dependencies(
        options,
        store,
        provider,
        target,
        lambda image_id: sandbox.use_image(image_id or sandbox.image_id),
        journal,
        past_decisions(journal.recording),
    )


def _as_configured(
    checks: tuple[Check, ...], config: RunConfig, suites: tuple[StandingSuite, ...]
) -> tuple[Check, ...]:
    """Tests of the store's own may be absent only where a suite of the user's is judged."""
    required = config.tests.required or not suites
    blocks = config.tests.placeholders is Severity.BLOCKING
    return tuple(
        replace(check, required=required, placeholders_block=blocks)
        if isinstance(check, TestCheck)
        else check
        for check in checks
    )


def standing_suites(
    config: RunConfig,
    checks: tuple[Check, ...],
    task: Task,
    acceptance: Mapping[str, bytes] | None,
    form: AcceptanceForm,
) -> tuple[StandingSuite, ...]:
    """What of the user's is judged with every evaluation.

    Args:
        acceptance: The user's suite, by relative path.
    """
    suites: list[StandingSuite] = []
    if config.task_examples and any(isinstance(check, TestCheck) for check in checks):
        found, stated = examples_of(task.text), stated_names(task.text)
        suites += [examples_suite(found, stated)] if found or stated else []
    if acceptance is not None and config.acceptance.when is AcceptanceWhen.INSTRUCTION:
        suites.append(StandingSuite(AcceptanceCheck(form), acceptance, config.acceptance.shown))
    return tuple(suites)
