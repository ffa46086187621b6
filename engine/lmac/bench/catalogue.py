"""What can be measured: suites of problems, each with its tests, and the conditions compared on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lmac.checks import AcceptanceForm
from lmac.errors import ConfigError
from lmac.inputs import load_suite, load_suite_settings, load_task, read_text
from lmac.models.profile import WheelCarrier
from lmac.program import Task
from lmac.shipped import shipped_folder
from lmac.task_examples import examples_of
from lmac.transitions import MachineKind
from lmac.yaml_source import parse_yaml, validated

SERVED_ONCE = frozenset({"name", "embedded", "server", "context_tokens", "temperature"})
"""Keys of a profile that are the same for all conditions of a suite."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Section):
    """One way to work at a problem."""

    run: dict[str, Any] = Field(default_factory=dict)
    """Keys of a run config, over those of the suite."""
    without_examples: dict[str, Any] = Field(default_factory=dict)
    """Keys over these for problems whose task gives no example: nothing tells good files from bad there."""
    profile: dict[str, Any] = Field(default_factory=dict)
    """Keys over those of the model's profile; not those that say which model it is and where it runs."""
    machine: MachineKind = MachineKind.CONTROL_UNIT
    """What carries the task out."""
    until_green: bool = False
    """Single shots, each with the next seed, until the files pass their own tests or the budget is spent."""
    equal_tokens: bool = False
    """Whether the suite's token budget holds."""
    usual_seconds: float = Field(default=60.0, gt=0)
    """Of one item, to say beforehand how long it takes; what was measured goes first."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        single_shot = self.machine is MachineKind.SINGLE_SHOT
        if self.until_green and not (single_shot and self.equal_tokens):
            raise ValueError("`until_green` needs `machine: single-shot`, and `equal_tokens` to end")
        if fixed := sorted(SERVED_ONCE & self.profile.keys()):
            raise ValueError(f"`profile` must not name {', '.join(fixed)}: one model serves all conditions")
        return self


class SuiteDefinition(_Section):
    """One YAML of `configs/bench/`."""

    wheel: WheelCarrier | None = None
    """Where the problems of HumanEval are."""
    tasks: tuple[str, ...] = ()
    """Folders of `configs/tasks/`, each with `acceptance/`."""
    prompts: str | None = None
    """Texts in place of the domain's; a path beside the YAML."""
    temperature: float = Field(ge=0, le=2)
    tokens: int | None = Field(default=None, gt=0)
    """The budget of conditions at equal tokens."""
    run: dict[str, Any] = Field(default_factory=dict)
    """Keys of a run config, for all conditions."""
    conditions: dict[str, Condition] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.wheel is None) == (not self.tasks):
            raise ValueError("name either `wheel` or `tasks`")
        if self.tokens is None and any(condition.equal_tokens for condition in self.conditions.values()):
            raise ValueError("`equal_tokens` needs `tokens`")
        return self


@dataclass(frozen=True, slots=True)
class Problem:
    """A task, and the tests that judge what comes of it; no model sees those."""

    name: str
    task: Task
    acceptance: Mapping[str, bytes]
    form: AcceptanceForm

    @property
    def digest(self) -> str:
        """sha256 of all of it but the name."""
        parts = [self.task.text, self.form.value]
        parts += [f"{path} {sha256(self.acceptance[path]).hexdigest()}" for path in sorted(self.acceptance)]
        return sha256("\0".join(parts).encode()).hexdigest()

    @property
    def has_examples(self) -> bool:
        """Whether the task's text gives results that can be judged during a run."""
        return bool(examples_of(self.task.text))


def bench_folder() -> Path:
    """Where suites lie, their prompts, and the results that are kept."""
    return shipped_folder("configs") / "bench"


def load_definition(suite: str) -> SuiteDefinition:
    """A suite that comes with LMAC.

    Raises:
        ConfigError: there is none of that name, or it holds what no suite holds.
    """
    path = bench_folder() / f"{suite}.yaml"
    source = parse_yaml(read_text(path, "bench suite"), str(path))
    return validated(SuiteDefinition, source, "the suites of configs/bench")


def load_system(name: str) -> Problem:
    """A task of `configs/tasks/` with its acceptance suite.

    Raises:
        ConfigError: it is not there, or has no suite.
    """
    given = load_task(str(shipped_folder("configs") / "tasks" / name))
    if given.acceptance_folder is None:
        raise ConfigError(f"task {name}: it has no acceptance suite", "name another in the bench's `tasks`")
    settings = load_suite_settings(given.acceptance_folder)
    return Problem(name, given.task, load_suite(given.acceptance_folder), settings.form)
