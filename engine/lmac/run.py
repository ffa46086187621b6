"""One run, put together and carried through: for the command line and for Python programs alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import assert_never

from lmac import __version__
from lmac.assembly import (
    SERVER_LOG_NAME,
    RunSandbox,
    Shared,
    action_protocol,
    program_form,
    standing_suites,
    start_processor,
    start_sandbox,
    with_response_cache,
)
from lmac.baseline import run_loop, run_single_shot
from lmac.bootstrap import ask_for_split
from lmac.briefing import Setting
from lmac.budget import Budget
from lmac.checks import AcceptanceForm, Check, described
from lmac.config import Domain, RunConfig
from lmac.control_unit import ControlUnit, Machine
from lmac.conversation import Conversation
from lmac.dependencies import DependencyPolicy
from lmac.disk import full_disk, full_disk_named
from lmac.errors import ConfigError, Divergence, ModelError, RunCancelled, SandboxFailure
from lmac.evaluation import Report, journalled
from lmac.evaluation.evidence import weakened
from lmac.journal import JOURNAL_VERSION, STOPPED, Effect, Event, Journal, Listener
from lmac.messages import Usage
from lmac.models.profile import ModelProfile
from lmac.models.server_facts import sized
from lmac.processor import Processor, ServerProcessor
from lmac.processor.actions import EditForm, offered_edits
from lmac.program import Program, Task
from lmac.program.ledger import ledger
from lmac.program.registry import InstructionRegistry
from lmac.prompts import Prompts, shipped_prompts
from lmac.recording.taped_evaluator import TapedEvaluator
from lmac.recording.taped_processor import TapedProcessor
from lmac.redaction import Redaction
from lmac.report.export import Exported, export_files
from lmac.report.result import RunResult, write_result
from lmac.run_lock import RecordedLock, WitnessedProcessor, gather_lock
from lmac.starting_folder import Start
from lmac.tools import Workspace
from lmac.transitions import MachineKind, Outcome
from lmac_sandbox import SandboxError

FILES_NAME = "files"
TYPED = (KeyboardInterrupt, RunCancelled, ModelError, SandboxFailure, SandboxError)
"""What ends a run with an outcome of its own."""


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Everything that a run needs, resolved: nothing in here can turn out wrong later for want of a check."""

    task: Task
    config: RunConfig
    profile: ModelProfile
    checks: tuple[Check, ...]
    """In the order in which they run; `inputs.load_checks` reads those of a config."""
    image_id: str
    folder: Path
    """Of this run alone; must not exist yet. Its name is the run's id."""
    prompts: Prompts = field(default_factory=shipped_prompts)
    """`inputs.load_prompts` reads those of a config."""
    weights: Path | None = None
    """Of an embedded model."""
    api_key: str | None = field(default=None, repr=False)
    """Of a server that needs one."""
    acceptance: Mapping[str, bytes] | None = None
    """The user's own suite, judged at the end; the model never sees it."""
    acceptance_form: AcceptanceForm = AcceptanceForm.API
    machine: MachineKind = MachineKind.CONTROL_UNIT
    """What carries the task out: the machine, or a baseline to compare it to."""
    start: Start | None = None
    """What the store begins with; None: nothing."""
    program: Program | None = None
    """The user's own, in place of the model's; `program_file.load_program` reads one."""
    cache: Path | None = None
    """Keeps what the files depend on; needed where the config lets them depend on something."""
    shared: Shared | None = None
    """With other runs of this process; None: nothing."""

    def __post_init__(self) -> None:
        if self.config.budget.names_money and self.profile.prices is None:
            raise ConfigError(
                f"the budget names money, and model profile {self.profile.name} names no prices",
                "give the profile `prices`, or take the limit of money out",
            )
        if self.config.dependencies.policy is not DependencyPolicy.NONE and self.cache is None:
            raise ConfigError(
                f"dependencies.policy is {self.config.dependencies.policy}, and the run has no cache folder",
                "order it with one, such as `cache_folder(os.environ)`",
            )

    @property
    def redaction(self) -> Redaction:
        """Takes the server's key out of all that leaves the run."""
        return Redaction([self.api_key])


def execute(order: RunOrder, listener: Listener | None = None) -> RunResult:
    """Carry out one run to its typed outcome and leave its folder complete.

    Containers and the volume are gone when this returns, however it ends.

    Args:
        listener: Told of every journal event, for progress; may raise `RunCancelled`, which ends the run with
            what it has.

    Raises:
        ConfigError: the run's folder exists or cannot be made.
        HostDiskFull: the host's disk has no room for the journal or the files.
    """
    make_run_folder(order.folder)
    with Journal(order.folder, cancelling_once(listener)) as journal:
        return carry_through(order, journal)


def carry_through(
    order: RunOrder, journal: Journal, taped: type[TapedEvaluator] = TapedEvaluator
) -> RunResult:
    """Carry out a run, or once more one that was recorded, to its outcome.

    Args:
        taped: How the evaluator makes use of the journal.

    Raises:
        Divergence: the run does not do what was recorded. Whatever stops it before the recording is over is
            raised like that, and nothing was written.
        HostDiskFull: as `execute`.
    """
    progress = _Progress()
    journal.redaction = order.redaction
    try:
        with _typed(progress, journal):
            journal.append("run_opened", **_opening(order, journal.keep))
            # Without prompts, suites and files of its own, a run that was asked for and paid cannot go on.
            journal.sync()
            _start_and_run(order, journal, progress, taped)
    except BaseException:
        # Whatever nobody foresaw goes on to the caller, and still leaves a closed journal and a result.
        if not journal.is_replaying:
            _close(order, journal, progress)
        raise
    return _close(order, journal, progress)


def _close(order: RunOrder, journal: Journal, progress: _Progress) -> RunResult:
    result = _result(order, progress, journal.elapsed_seconds)
    journal.append("run_closed", outcome=result.outcome.value, error=result.error, seconds=result.seconds)
    journal.sync()
    events, chain = journal.end
    result = replace(result, journal_events=events, journal_chain=chain)
    write_result(order.folder, result)
    return result


def cancelling_once(listener: Listener | None) -> Listener | None:
    """What is left to do after a cancellation is done and told; it cannot be cancelled again."""
    if listener is None:
        return None
    cancelled = False

    def tell(event: Event) -> None:
        nonlocal cancelled
        try:
            listener(event)
        except RunCancelled:
            if not cancelled:
                cancelled = True
                raise

    return tell


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

    outcome: Outcome | None = None
    error: str = ""
    next_step: str = ""
    checks: Report | None = None
    acceptance: Report | None = None
    exported: Exported = Exported()
    registry: InstructionRegistry | None = None
    conversation: Conversation | None = None
    stopped: bool = False

    def fail(self, outcome: Outcome, error: str = "", next_step: str = "") -> None:
        """Take the first failure as the outcome: what follows from it says less."""
        if self.error or self.outcome is Outcome.INTERRUPTED:
            return
        self.outcome, self.error, self.next_step = outcome, error, next_step

    def stop(self, error: BaseException, journal: Journal) -> None:
        """Note what stopped the run, and where: there it goes on when it is resumed."""
        if isinstance(error, KeyboardInterrupt | RunCancelled):
            self.fail(Outcome.INTERRUPTED)
        elif isinstance(error, ModelError):
            self.fail(Outcome.MODEL_FAILED, error.message, error.next_step)
        elif isinstance(error, SandboxFailure | SandboxError):
            self.fail(Outcome.SANDBOX_FAILED, error.message, error.next_step)
        if not self.stopped:
            self.stopped = True
            outcome = self.outcome or Outcome.FAULT
            journal.append(STOPPED, outcome=outcome.value, error=self.error or type(error).__name__)


@contextmanager
def _typed(progress: _Progress, journal: Journal) -> Iterator[None]:
    """Turn what stops the block into the run's outcome; raise what stops it while it is only gone through."""
    try:
        yield
    except BaseException as error:
        if journal.is_replaying or isinstance(error, Divergence):
            raise
        progress.stop(error, journal)
        if not isinstance(error, TYPED):
            raise


def _start_and_run(
    order: RunOrder, journal: Journal, progress: _Progress, taped: type[TapedEvaluator]
) -> None:
    with ExitStack() as stack:
        suites = standing_suites(
            order.config, order.checks, order.task, order.acceptance, order.acceptance_form
        )
        journal.append("standing_suites", tests={suite.name: len(suite.titles) for suite in suites})
        sandbox = start_sandbox(
            order.config,
            order.checks,
            order.folder.name,
            order.image_id,
            journal,
            stack,
            suites,
            _starting_files(order, journal),
            order.cache,
            order.shared,
            taped,
        )
        recorded = RecordedLock(gather_lock(order, sandbox.sandbox.engine), journal, order.folder)
        if sandbox.dependencies is not None:
            sandbox.dependencies.on_given = recorded.add_dependencies

        def start() -> ServerProcessor:
            connected = start_processor(
                order.profile, order.api_key, order.weights, order.folder, journal, stack, order.shared
            )
            witnessed = WitnessedProcessor(connected, recorded.lock.model.served, recorded.add_server)
            return with_response_cache(witnessed, order.config, order.profile, order.weights, journal)

        try:
            with _typed(progress, journal):
                processor = TapedProcessor(journal, start)
                known = replace(order, profile=_sized(order.profile, processor, journal))
                _run_machine(known, journal, processor, sandbox.workspace, progress)
        except BaseException:
            if not journal.is_replaying:
                _deliver(order, journal, sandbox, progress)
            raise
        _deliver(order, journal, sandbox, progress)


def _sized(
    profile: ModelProfile, processor: TapedProcessor[ServerProcessor], journal: Journal
) -> ModelProfile:
    """The profile with the sizes that it leaves to the server."""
    if profile.server is None or (profile.context_tokens and profile.reply_tokens):
        return profile
    recorded = journal.recorded(Effect.SERVER, "server_sizes")
    if recorded is None:
        live = processor.live()
        told = sized(profile, live.fetch, live.base_url)
    else:
        told = profile.model_copy(update=dict(recorded.data))
    journal.append("server_sizes", context_tokens=told.context_tokens, reply_tokens=told.reply_tokens)
    return told


def _run_machine(
    order: RunOrder, journal: Journal, processor: Processor, workspace: Workspace, progress: _Progress
) -> None:
    setting = _setting(order)
    profile = order.profile
    protocol, *lower = (action_protocol(name, profile.user_after_tools) for name in profile.protocols)
    floor = _floor(order, journal, workspace)
    conversation = Conversation(processor, protocol, journal, _budget(order))
    progress.conversation = conversation
    match order.machine:
        case MachineKind.SINGLE_SHOT:
            told = run_single_shot(setting, conversation, protocol, workspace, journal)
            progress.outcome, progress.checks = told
        case MachineKind.LOOP:
            told = run_loop(setting, conversation, protocol, workspace, journal)
            progress.outcome, progress.checks = told
        case MachineKind.CONTROL_UNIT:
            machine = Machine(
                setting, conversation, protocol, workspace, journal, lower, weakened, ask_for_split, floor
            )
            _run_control_unit(ControlUnit(machine), journal, progress)
        case _:
            assert_never(order.machine)


def _run_control_unit(unit: ControlUnit, journal: Journal, progress: _Progress) -> None:
    try:
        progress.outcome = unit.run()
    except (KeyboardInterrupt, RunCancelled, ModelError) as error:
        if not journal.is_replaying:
            # The store still stands: what goes out is the best of it.
            progress.stop(error, journal)
            unit.deliver_best()
        raise
    finally:
        progress.registry = unit.state.registry
        progress.checks = unit.report_at_hand


def _budget(order: RunOrder) -> Budget:
    """What the order allows, at its profile's prices."""
    prices = order.profile.prices
    return Budget(order.config.budget, prices.cost if prices else None)


def _starting_files(order: RunOrder, journal: Journal) -> Mapping[str, bytes]:
    """The files that the store begins with, kept by their digests."""
    if order.start is None:
        return {}
    journal.append("started_from", **_kept_start(order.start, journal.keep))
    return order.start.files


def _floor(order: RunOrder, journal: Journal, workspace: Workspace) -> Report | None:
    """Judge what the run starts from; what passes there has to go on passing."""
    if order.start is None:
        return None
    report = workspace.evaluator.evaluate(workspace.store.digest())
    journal.append("floor", **journalled(report, journal.keep))
    workspace.evaluator.hold(report)
    return report


def _setting(order: RunOrder) -> Setting:
    sampling = order.profile.sampling()
    if order.config.seed is not None:
        sampling = replace(sampling, seed=order.config.seed)
    offered = offered_edits(order.profile.edits, order.profile.protocol)
    return Setting(
        task=order.task,
        prompts=order.prompts,
        limits=order.config.machine,
        most_instructions=order.config.most_instructions,
        context_tokens=order.profile.window_tokens,
        sampling=sampling,
        program_form=program_form(order.profile),
        summary_tokens=order.profile.summary_tokens,
        edits=order.profile.edits,
        opening_file_characters=order.config.opening_file_characters,
        program=order.program,
        map_characters=order.config.map_characters,
        # Whoever changes pieces of a file must see it.
        shows_own_files_again=not {EditForm.REPLACE, EditForm.PATCH}.isdisjoint(offered),
        candidates=order.profile.candidates,
        candidate_temperature=order.profile.candidate_temperature,
        repair_temperature=order.profile.repair_temperature,
        plans=order.profile.plans,
        tested_steps=order.config.domain is Domain.CODEBASE,
    )


def _deliver(order: RunOrder, journal: Journal, sandbox: RunSandbox, progress: _Progress) -> None:
    """Export the store as it stands, and judge it by the user's suite."""
    folder = order.folder / FILES_NAME
    if journal.was_resumed:
        # What an earlier process delivered, or half of it.
        shutil.rmtree(folder, ignore_errors=True)
    store = sandbox.workspace.store
    store_digest = store.digest()
    try:
        progress.exported = export_files(store, folder)
    except SandboxError:
        shutil.rmtree(folder, ignore_errors=True)
        with sandbox.rescued_store() as store:
            progress.exported = export_files(store, folder)
            store_digest = store.digest()
            if lost := store.missing(sandbox.workspace.store.paths()):
                # A store in memory empties with its last container.
                said = f"{len(lost)} files were lost with the store's keeper, such as {lost[0]!r}"
                step = "give the machine more memory, or the store less"
                progress.stop(SandboxFailure(said, step), journal)
                journal.append("store_lost", text=said)
    journal.append(
        "exported", store_digest=store_digest, digests=store.digests(), **asdict(progress.exported)
    )
    judged = progress.outcome not in (None, Outcome.INTERRUPTED, Outcome.SANDBOX_FAILED)
    if order.acceptance is not None and judged:
        evaluator = sandbox.workspace.evaluator
        progress.acceptance = evaluator.accept(store_digest, order.acceptance, order.acceptance_form)
        journal.append("acceptance", **journalled(progress.acceptance, journal.keep))


def _opening(order: RunOrder, keep: Callable[[bytes | str], str]) -> dict[str, object]:
    """What the run is made of, for the journal; no key is in it."""
    return {
        "journal_version": JOURNAL_VERSION,
        "lmac_version": __version__,
        "task": order.task.text,
        "task_name": order.task.name,
        "config": order.config.model_dump(mode="json"),
        "profile": order.profile.model_dump(mode="json"),
        "image_id": order.image_id,
        "checks": [described(check) for check in order.checks],
        "prompts_digest": keep(order.prompts.as_yaml()),
        "acceptance": None
        if order.acceptance is None
        else {path: keep(content) for path, content in sorted(order.acceptance.items())},
        "acceptance_form": order.acceptance_form.value,
        "machine": order.machine.value,
        "start": None if order.start is None else keep(json.dumps(_kept_start(order.start, keep))),
        "program": None if order.program is None else keep(json.dumps(asdict(order.program))),
    }


def _kept_start(start: Start, keep: Callable[[bytes | str], str]) -> dict[str, object]:
    return {
        "folder": start.folder,
        "files": {path: keep(content) for path, content in start.files.items()},
        "left_out": [[one.path, one.reason] for one in start.left_out],
    }


def _result(order: RunOrder, progress: _Progress, seconds: float) -> RunResult:
    registry, conversation = progress.registry, progress.conversation
    usage = conversation.budget.usage if conversation else Usage()
    return RunResult(
        run_id=order.folder.name,
        folder=str(order.folder),
        task=order.task.name,
        model=order.profile.name,
        machine=order.machine,
        outcome=progress.outcome or Outcome.FAULT,
        error=order.redaction.text(progress.error),
        next_step=order.redaction.text(_next_step(order, progress)),
        instructions=len(registry.program.instructions) if registry else 0,
        instructions_completed=registry.completed if registry else 0,
        files=progress.exported.files,
        lines=progress.exported.lines,
        checks=progress.checks,
        acceptance=progress.acceptance,
        usage=usage,
        calls=conversation.budget.calls if conversation else 0,
        cost=order.profile.prices.cost(usage) if order.profile.prices else None,
        seconds=round(seconds, 1),
        started_from=order.start.folder if order.start else "",
        left_out=tuple((one.path, one.reason) for one in order.start.left_out) if order.start else (),
        requirements=ledger(registry, progress.checks) if registry else (),
        assumed_tokens=conversation.budget.run.assumed_tokens if conversation else 0,
        cached_replies=conversation.cached_replies if conversation else 0,
    )


def _next_step(order: RunOrder, progress: _Progress) -> str:
    if progress.outcome is Outcome.WINDOW_TOO_SMALL:
        size = f" of {tokens} tokens" if (tokens := order.profile.context_tokens) else ""
        window = f"the task does not fit into the model's window{size}"
        return f"{window}: shorten it, or take a profile with a larger window"
    refusal = progress.conversation.refusal if progress.conversation else None
    if progress.outcome is Outcome.BUDGET_SPENT and refusal is not None:
        key = f"budget.{refusal.spent.value.replace(' ', '_')}"
        return f"the next call would pass `{key}`: raise it, or leave it out"
    log = order.folder / SERVER_LOG_NAME
    if progress.outcome is Outcome.MODEL_FAILED and log.exists():
        return f"{progress.next_step} (what the embedded server said is in {log})"
    return progress.next_step
