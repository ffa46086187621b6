"""One run, put together and carried through: for the command line and for Python programs alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import assert_never

from lmac import __version__
from lmac.baseline import run_single_shot
from lmac.briefing import Setting
from lmac.budget import Budget
from lmac.checks import LintCheck, python_checks
from lmac.config import RunConfig
from lmac.control_unit import ControlUnit
from lmac.conversation import Conversation
from lmac.disk import full_disk, full_disk_named
from lmac.errors import ConfigError, ModelError, SandboxFailure, WeightsError
from lmac.evaluation import Report, journalled
from lmac.evaluator import Evaluator
from lmac.file_store import FileStore
from lmac.journal import Journal, Listener
from lmac.messages import Usage
from lmac.models.profile import ModelProfile
from lmac.models.server import EmbeddedServer
from lmac.processor import Processor
from lmac.processor.actions import ActionProtocol, ProtocolName
from lmac.processor.fenced import FencedProtocol
from lmac.processor.native import NativeProtocol
from lmac.processor.openai_processor import OpenAIProcessor
from lmac.program import ProgramForm, Task
from lmac.prompts import shipped_prompts
from lmac.registry import InstructionRegistry
from lmac.report.export import Exported, export_files
from lmac.report.result import RunResult, write_result
from lmac.tools import Workspace
from lmac.transitions import Outcome
from lmac_sandbox import Engine, Keeper, Owner, Pool, SandboxError, Volume, reap

FILES_NAME = "files"
SERVER_LOG_NAME = "model-server.log"


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Everything that a run needs, resolved: nothing in here can turn out wrong later for want of a check."""

    task: Task
    config: RunConfig
    profile: ModelProfile
    image_id: str
    folder: Path
    """Of this run alone; must not exist yet. Its name is the run's id."""
    weights: Path | None = None
    """Of an embedded model."""
    api_key: str | None = None
    """Of a server that needs one."""
    acceptance: Mapping[str, bytes] | None = None
    """The user's own suite, judged at the end; the model never sees it."""
    single_shot: bool = False
    """One call without the machine: the baseline."""


def execute(order: RunOrder, listener: Listener | None = None) -> RunResult:
    """Carry out one run to its typed outcome and leave its folder complete.

    Containers and the volume are gone when this returns, however it ends.

    Args:
        listener: Told of every journal event, for progress.

    Raises:
        ConfigError: the run's folder exists or cannot be made.
        HostDiskFull: the host's disk has no room for the journal or the files.
    """
    make_run_folder(order.folder)
    with Journal(order.folder, listener) as journal:
        journal.append("run_opened", **_opening(order))
        progress = _Progress(time.monotonic())
        with _typed(progress):
            _start_and_run(order, journal, progress)
        result = _result(order, progress)
        journal.append("run_closed", outcome=result.outcome.value, error=result.error, seconds=result.seconds)
        journal.sync()
    write_result(order.folder, result)
    return result


def make_run_folder(folder: Path) -> None:
    """Make the folder of a new run.

    Raises:
        ConfigError: it exists, or cannot be made.
        HostDiskFull: there is no room for it.
    """
    with full_disk_named(folder.parent):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError as error:
            raise ConfigError(f"{folder} exists already", "choose another --id, or remove it") from error
        except OSError as error:
            if full_disk(error):
                raise
            raise ConfigError(
                f"{folder}: {error.strerror}", "set `runs_folder` to a folder of yours"
            ) from error


@dataclass(slots=True)
class _Progress:
    """What is known of a run while it goes; it survives whatever stops the run."""

    started: float
    outcome: Outcome | None = None
    error: str = ""
    next_step: str = ""
    checks: Report | None = None
    acceptance: Report | None = None
    exported: Exported = Exported()
    registry: InstructionRegistry | None = None
    conversation: Conversation | None = None

    def fail(self, outcome: Outcome, error: str = "", next_step: str = "") -> None:
        """Take the first failure as the outcome: what follows from it says less."""
        if self.error or self.outcome is Outcome.INTERRUPTED:
            return
        self.outcome, self.error, self.next_step = outcome, error, next_step


@contextmanager
def _typed(progress: _Progress) -> Iterator[None]:
    """Turn what stops the block into the run's outcome."""
    try:
        yield
    except KeyboardInterrupt:
        progress.fail(Outcome.INTERRUPTED)
    except ModelError as error:
        progress.fail(Outcome.MODEL_FAILED, error.message, error.next_step)
    except (SandboxFailure, SandboxError) as error:
        progress.fail(Outcome.SANDBOX_FAILED, error.message, error.next_step)


def _start_and_run(order: RunOrder, journal: Journal, progress: _Progress) -> None:
    with ExitStack() as stack:
        workspace = _start_sandbox(order, stack)
        processor = _start_processor(order, journal, stack)
        with _typed(progress):
            _run_machine(order, journal, processor, workspace, progress)
        _deliver(order, journal, workspace, progress)


def _start_sandbox(order: RunOrder, stack: ExitStack) -> Workspace:
    config = order.config
    owner = Owner.current(order.folder.name)
    engine = stack.enter_context(Engine.connect(config.engine_url))
    reap(engine)
    volume = stack.enter_context(Volume.create(engine, owner, config.store))
    keeper = stack.enter_context(Keeper.start(engine, volume, order.image_id, owner, config.store))
    pool = stack.enter_context(
        Pool(engine, volume, order.image_id, owner, config.box, size=config.ready_boxes)
    )
    checks = python_checks(LintCheck(config.lint.blocking, config.lint.advisory))
    return Workspace(FileStore(keeper), Evaluator(pool, checks))


def _start_processor(order: RunOrder, journal: Journal, stack: ExitStack) -> Processor:
    profile = order.profile

    def retried(error: ModelError, wait_seconds: float) -> None:
        journal.append("retry", error=type(error).__name__, text=error.message, wait_seconds=wait_seconds)

    if profile.server is not None:
        return stack.enter_context(
            OpenAIProcessor(
                base_url=profile.server.base_url,
                api_key=order.api_key,
                model=profile.server.model,
                call_seconds=profile.call_seconds,
                reply_limit_parameter=profile.server.reply_limit_parameter,
                on_retry=retried,
            )
        )
    if profile.embedded is None or order.weights is None:
        raise WeightsError(f"weights of {profile.name}: the run was ordered without them", "run `lmac setup`")
    journal.append("server_starting", model=profile.name)
    server = stack.enter_context(
        EmbeddedServer(
            order.weights,
            model=profile.name,
            context_tokens=profile.context_tokens,
            log_path=order.folder / SERVER_LOG_NAME,
            threads=profile.embedded.threads,
            prompt_cache_bytes=profile.embedded.prompt_cache_bytes,
        )
    )
    return stack.enter_context(
        OpenAIProcessor(
            base_url=server.base_url,
            api_key=server.api_key,
            model=server.model,
            call_seconds=profile.call_seconds,
            on_retry=retried,
        )
    )


def _run_machine(
    order: RunOrder, journal: Journal, processor: Processor, workspace: Workspace, progress: _Progress
) -> None:
    setting = _setting(order)
    protocol = action_protocol(order.profile.protocol)
    conversation = Conversation(processor, protocol, journal, Budget(order.config.budget))
    progress.conversation = conversation
    if order.single_shot:
        progress.outcome, progress.checks = run_single_shot(
            setting, conversation, protocol, workspace, journal
        )
        return
    unit = ControlUnit(setting, conversation, protocol, workspace, journal)
    try:
        progress.outcome = unit.run()
    finally:
        progress.registry = unit.state.registry
        progress.checks = unit.report_at_hand


def _setting(order: RunOrder) -> Setting:
    sampling = order.profile.sampling()
    if order.config.seed is not None:
        sampling = replace(sampling, seed=order.config.seed)
    return Setting(
        task=order.task,
        prompts=shipped_prompts(order.config.domain),
        limits=order.config.machine,
        most_instructions=order.config.most_instructions,
        context_tokens=order.profile.context_tokens,
        sampling=sampling,
        program_form=program_form(order.profile),
        opening_file_characters=order.config.opening_file_characters,
    )


def action_protocol(name: ProtocolName) -> ActionProtocol:
    """The protocol that a profile names."""
    match name:
        case ProtocolName.FENCED:
            return FencedProtocol()
        case ProtocolName.NATIVE:
            return NativeProtocol()
        case _:
            assert_never(name)


def program_form(profile: ModelProfile) -> ProgramForm:
    """How this model gives its program."""
    if profile.protocol is ProtocolName.NATIVE:
        return ProgramForm.TOOL
    return ProgramForm.JSON if profile.json_schema else ProgramForm.NUMBERED


def _deliver(order: RunOrder, journal: Journal, workspace: Workspace, progress: _Progress) -> None:
    """Export the store as it stands, and judge it by the user's suite."""
    progress.exported = export_files(workspace.store, order.folder / FILES_NAME)
    store_digest = workspace.store.digest()
    journal.append("exported", store_digest=store_digest, **asdict(progress.exported))
    if order.acceptance is None or progress.outcome in (Outcome.INTERRUPTED, Outcome.SANDBOX_FAILED):
        return
    progress.acceptance = workspace.evaluator.accept(store_digest, order.acceptance)
    journal.append("acceptance", **journalled(progress.acceptance))


def _opening(order: RunOrder) -> dict[str, object]:
    """What the run is made of, for the journal; no key is in it."""
    return {
        "lmac_version": __version__,
        "task": order.task.text,
        "config": order.config.model_dump(mode="json"),
        "profile": order.profile.model_dump(mode="json"),
        "image_id": order.image_id,
        "prompts_digest": shipped_prompts(order.config.domain).digest,
        "acceptance": sorted(order.acceptance or ()),
        "single_shot": order.single_shot,
    }


def _result(order: RunOrder, progress: _Progress) -> RunResult:
    registry, conversation = progress.registry, progress.conversation
    return RunResult(
        run_id=order.folder.name,
        folder=str(order.folder),
        task=order.task.name,
        model=order.profile.name,
        single_shot=order.single_shot,
        outcome=progress.outcome or Outcome.INTERRUPTED,
        error=progress.error,
        next_step=progress.next_step,
        instructions=len(registry.program.instructions) if registry else 0,
        instructions_completed=registry.completed if registry else 0,
        files=progress.exported.files,
        lines=progress.exported.lines,
        checks=progress.checks,
        acceptance=progress.acceptance,
        usage=conversation.budget.usage if conversation else Usage(),
        calls=conversation.budget.calls if conversation else 0,
        seconds=round(time.monotonic() - progress.started, 1),
    )
