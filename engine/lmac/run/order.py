"""What a run is made of: its order, and how the journal and the machine are told of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lmac import __version__
from lmac.assembly import Shared, program_form
from lmac.briefing import Setting
from lmac.budget import Budget
from lmac.checks import AcceptanceForm, Check, described
from lmac.config import Domain, RunConfig
from lmac.dependencies import DependencyPolicy
from lmac.errors import ConfigError
from lmac.journal import JOURNAL_VERSION
from lmac.models.profile import ModelProfile
from lmac.processor.actions import EditForm, offered_edits
from lmac.program import Program, Task
from lmac.prompts import Prompts, shipped_prompts
from lmac.redaction import Redaction
from lmac.starting_folder import Start
from lmac.transitions import MachineKind


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


def budget_of(order: RunOrder) -> Budget:
    """What the order allows, at its profile's prices."""
    prices = order.profile.prices
    return Budget(order.config.budget, prices.cost if prices else None)


def setting_of(order: RunOrder) -> Setting:
    """What the machine works by."""
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
        candidate_hints=order.profile.candidate_hints,
        repair_temperature=order.profile.repair_temperature,
        plans=order.profile.plans,
        tested_steps=order.config.domain is Domain.CODEBASE,
    )


def opening_of(order: RunOrder, keep: Callable[[bytes | str], str]) -> dict[str, object]:
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
        "start": None if order.start is None else keep(json.dumps(kept_start(order.start, keep))),
        "program": None if order.program is None else keep(json.dumps(asdict(order.program))),
    }


def kept_start(start: Start, keep: Callable[[bytes | str], str]) -> dict[str, object]:
    """What the store begins with, for the journal."""
    return {
        "folder": start.folder,
        "files": {path: keep(content) for path, content in start.files.items()},
        "left_out": [[one.path, one.reason] for one in start.left_out],
    }
