"""What a run config says. Reads no file: `cli` does, and `yaml_source` names what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lmac.budget import BudgetLimits
from lmac.checks import AcceptanceForm, Rules, Severity
from lmac.dependencies import DependencyOptions
from lmac.transitions import MachineLimits
from lmac_sandbox import Isolation, Limits, Reuse, StoreLimits


class Domain(StrEnum):
    """What is written: its prompts and its checks."""

    CODEBASE = "codebase"
    BOOK = "book"
    CUSTOM = "custom"
    """The user's own prompts and checks."""


DOMAIN_CHECKS: Mapping[Domain, tuple[str, ...]] = {
    Domain.CODEBASE: ("python",),
    Domain.BOOK: ("book",),
    Domain.CUSTOM: (),
}
"""Check sets of a config that names none."""


class SessionOptions(BaseModel):
    """What the test check does beside running the tests."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    coverage: bool = False
    """Measure which lines run; slower."""
    placeholders: Severity = Severity.BLOCKING
    """Whether functions that are not written keep an instruction open."""
    required: bool = True
    """Whether a store without tests of its own is unfinished, also where the user's own suites judge it."""


class AcceptanceWhen(StrEnum):
    """When the user's own suite is judged."""

    END = "end"
    INSTRUCTION = "instruction"
    """With every evaluation, and at the end."""


class AcceptanceOptions(BaseModel):
    """How and when an acceptance suite is judged; always in a box that nobody used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: AcceptanceForm | None = None
    """How it meets the files; None: as its `acceptance.yaml` says, `api` without one."""
    when: AcceptanceWhen = AcceptanceWhen.END
    shown: bool = False
    """Whether the model is shown which of its tests fail, and how; its files it never sees."""


class Evaluation(BaseModel):
    """How the checks of the store run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    test_reuse: Reuse = Reuse.SINGLE_USE
    """Grade of the boxes in which tests run; acceptance suites always get a box that nobody used."""
    candidates_at_once: int | None = Field(default=None, ge=1, le=64)
    """Candidates judged side by side; None: as many as processors, or as ready boxes if these are more."""


class RunConfig(BaseModel):
    """One run, all but its task. The defaults are those of `configs/default.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: Domain = Domain.CODEBASE
    prompts: str | None = Field(default=None, min_length=1)
    """Path of a file with texts in place of the domain's; those that it leaves out stay."""
    model: str = Field(default="qwen2.5-coder-1.5b", min_length=1)
    """A profile's name under `configs/models/`, or the path of a profile."""
    checks: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names of shipped check sets (`configs/checks/`), or paths of a user's own; None for the domain's."""
    rules: dict[str, Rules] = Field(default_factory=dict)
    """By the check's name, in place of the rules of its entry."""
    image: str | None = Field(default=None, min_length=1)
    """A shipped image, NAME or NAME@lock:DIGEST, or an image id (sha256:...); None: the check sets'."""
    engine_url: str | None = None
    """Of the Docker engine; None for DOCKER_HOST, else /var/run/docker.sock. Never a context of `docker`."""
    runs_folder: str = Field(default="runs", pattern=r"^[^\x00]+$")
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1)
    """None: the profile's."""
    most_instructions: int = Field(default=6, ge=1, le=200)
    opening_file_characters: int = Field(default=6000, ge=0)
    """Room for contents of files in the message that opens an instruction."""
    map_characters: int = Field(default=2400, ge=200, le=200_000)
    """Room, in the same message, for the map of what the store's files define."""
    machine: MachineLimits = MachineLimits()
    budget: BudgetLimits = BudgetLimits()
    evaluation: Evaluation = Evaluation()
    tests: SessionOptions = SessionOptions()
    dependencies: DependencyOptions = DependencyOptions()
    """Packages that the files may ask for."""
    isolation: Isolation = Isolation()
    """Beyond the policy that always holds; `lmac sandbox policy` prints it."""
    box: Limits = Limits()
    store: StoreLimits = StoreLimits()
    acceptance: AcceptanceOptions = AcceptanceOptions()
    task_examples: bool = True
    """Whether examples that the task's text gives are judged with every evaluation; for Python."""
    response_cache: str | None = Field(default=None, pattern=r"^[^\x00]+$")
    """A folder of replies that were given before, taken in place of the same calls; None: none."""
    ready_boxes: int = Field(default=1, ge=1, le=16)
    """Boxes that are kept started ahead of need."""

    @property
    def check_sets(self) -> tuple[str, ...]:
        """The sets that judge: those of `checks`, or the domain's."""
        return DOMAIN_CHECKS[self.domain] if self.checks is None else self.checks

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.domain is Domain.CUSTOM and (self.prompts is None or self.checks is None):
            missing = "prompts" if self.prompts is None else "checks"
            raise ValueError(f"the domain custom has none of its own: name your `{missing}`")
        return self
