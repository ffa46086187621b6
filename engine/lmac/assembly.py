"""What a run stands on, started in order and ended in reverse: sandbox, model server, processor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from lmac.checks import AcceptanceCheck, AcceptanceForm, Check, Severity, StandingSuite, TestCheck
from lmac.config import AcceptanceWhen, RunConfig
from lmac.dependencies import Dependencies, DependencyOptions, DependencyPolicy, past_decisions
from lmac.errors import ModelError, WeightsError
from lmac.file_store import FileStore
from lmac.journal import Journal
from lmac.models.identity import model_identity
from lmac.models.profile import ModelProfile
from lmac.models.server import EmbeddedServer
from lmac.processor import ServerProcessor
from lmac.processor.actions import ActionProtocol, ProtocolName
from lmac.processor.failures import RetryPolicy
from lmac.processor.fenced import FencedProtocol
from lmac.processor.json_protocol import JsonProtocol
from lmac.processor.native import NativeProtocol
from lmac.processor.openai_processor import DEFAULT_RETRIES, OnRetry, OpenAIProcessor
from lmac.processor.reply_cache import CachingProcessor, ReplyCache
from lmac.program import ProgramForm, Task
from lmac.recording.calls import error_fields
from lmac.recording.taped_evaluator import TapedEvaluator
from lmac.store_map import StoreMap
from lmac.task_examples import examples_of
from lmac.task_examples.suite import examples_suite
from lmac.tools import Workspace
from lmac_sandbox import (
    DependencyLimits,
    DependencyProvider,
    Engine,
    EngineFailure,
    Reuse,
    Sandbox,
    Target,
    WarmBox,
    open_sandbox,
    reap,
    target_job,
    target_of,
)

SERVER_LOG_NAME = "model-server.log"

PACED_RETRIES = RetryPolicy(busy=0)
"""Where somebody else waits for a busy server."""


@dataclass(frozen=True, slots=True)
class SharedServer:
    """A model's server that is up, whoever started it."""

    base_url: str
    api_key: str
    model: str


@dataclass(frozen=True, slots=True)
class Shared:
    """What runs of one process share; a run is the same run without it."""

    turns: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Held while a container starts and while a job runs in it."""
    server: SharedServer | None = None
    """Of the profile's embedded model; None: the run starts its own."""
    paced: Callable[[ServerProcessor, OnRetry], ServerProcessor] | None = None
    """Makes the run's processor one that waits for its turn, and while the server is busy."""


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
    turns = shared.turns if shared else nullcontext()
    engine = stack.enter_context(
        Engine.connect(config.engine_url, runtime=config.isolation.runtime, turns=turns)
    )
    try:
        reap(engine)
    except EngineFailure as error:
        # Somebody else's leftovers are no reason not to run; `lmac clean` names them.
        journal.append("reap_failed", text=error.message)
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
        found = examples_of(task.text)
        suites += [examples_suite(found)] if found else []
    if acceptance is not None and config.acceptance.when is AcceptanceWhen.INSTRUCTION:
        suites.append(StandingSuite(AcceptanceCheck(form), acceptance, config.acceptance.shown))
    return tuple(suites)


def start_processor(
    profile: ModelProfile,
    api_key: str | None,
    weights: Path | None,
    folder: Path,
    journal: Journal,
    stack: ExitStack,
    shared: Shared | None = None,
) -> ServerProcessor:
    """Connect to the profile's server, or to the embedded one, which is started if nobody did.

    Args:
        weights: Of an embedded model.
        folder: The run's; gets the embedded server's log.

    Raises:
        ModelError: the embedded server does not come up.
    """

    def retried(error: ModelError, wait_seconds: float) -> None:
        journal.append("retry", **error_fields(error), wait_seconds=wait_seconds)

    shared = shared or Shared()
    retries = DEFAULT_RETRIES if shared.paced is None else PACED_RETRIES
    if profile.server is not None:
        processor = OpenAIProcessor(
            base_url=profile.server.base_url,
            api_key=api_key,
            model=profile.server.model,
            call_seconds=profile.call_seconds,
            retries=retries,
            reply_limit_parameter=profile.server.reply_limit_parameter,
            on_retry=retried,
        )
    else:
        server = shared.server or _started_server(profile, weights, folder, journal, stack)
        processor = OpenAIProcessor(
            base_url=server.base_url,
            api_key=server.api_key,
            model=server.model,
            call_seconds=profile.call_seconds,
            retries=retries,
            on_retry=retried,
        )
    stack.enter_context(processor)
    return processor if shared.paced is None else shared.paced(processor, retried)


def _started_server(
    profile: ModelProfile, weights: Path | None, folder: Path, journal: Journal, stack: ExitStack
) -> SharedServer:
    """The run's own, for as long as the stack holds."""
    server = embedded_server(profile, weights, folder)
    journal.append("server_starting", model=profile.name)
    stack.enter_context(server)
    return SharedServer(server.base_url, server.api_key, server.model)


def with_response_cache(
    processor: ServerProcessor,
    config: RunConfig,
    profile: ModelProfile,
    weights: Path | None,
    journal: Journal,
) -> ServerProcessor:
    """The processor behind the response cache that the config names; itself without one.

    Raises:
        ConfigError: the cache's folder cannot be used.
    """
    if config.response_cache is None:
        return processor
    cache = ReplyCache(
        Path(config.response_cache).expanduser(),
        on_fault=lambda path, fault: journal.append("response_cache_fault", path=path, text=fault),
    )
    journal.append("response_cache", folder=config.response_cache)
    return CachingProcessor(processor, cache, model_identity(profile, weights))


def embedded_server(profile: ModelProfile, weights: Path | None, folder: Path) -> EmbeddedServer:
    """The server of an embedded model, not started.

    Args:
        folder: Gets the server's log.

    Raises:
        WeightsError: the profile has no weights, or none were found.
    """
    if profile.embedded is None or weights is None:
        raise WeightsError(f"weights of {profile.name}: the run was ordered without them", "run `lmac setup`")
    return EmbeddedServer(
        weights,
        model=profile.name,
        context_tokens=profile.window_tokens,
        log_path=folder / SERVER_LOG_NAME,
        threads=profile.embedded.threads,
        prompt_cache_bytes=profile.embedded.prompt_cache_bytes,
    )


def action_protocol(name: ProtocolName, user_after_tools: bool = True) -> ActionProtocol:
    """The protocol that a profile names.

    Args:
        user_after_tools: As the profile has it.
    """
    match name:
        case ProtocolName.FENCED:
            return FencedProtocol()
        case ProtocolName.NATIVE:
            return NativeProtocol(user_after_tools)
        case ProtocolName.JSON:
            return JsonProtocol()
        case _:
            assert_never(name)


def program_form(profile: ModelProfile) -> ProgramForm:
    """How this model gives its program: as its profile says, or else in the surest form that it can."""
    if profile.program_form is not None:
        return profile.program_form
    match profile.protocol:
        case ProtocolName.NATIVE:
            return ProgramForm.TOOL
        case ProtocolName.JSON:
            return ProgramForm.SCHEMA
        case ProtocolName.FENCED:
            pass
        case _:
            assert_never(profile.protocol)
    return ProgramForm.JSON if profile.json_schema else ProgramForm.NUMBERED
