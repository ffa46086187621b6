"""What every decision is carried out upon: the state, and all that changes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lmac.briefing import Briefing, Setting
from lmac.budget import Scope
from lmac.control_unit.equipment import Equipment, equipment
from lmac.control_unit.guard import RegressionGuard
from lmac.conversation import Conversation
from lmac.evaluation import Report
from lmac.evaluation.due import Due
from lmac.evaluation.standing_tests import StandingTests, Weakened
from lmac.journal import Journal
from lmac.messages import Sampling
from lmac.processor.actions import ActionProtocol
from lmac.program import ProgramForm
from lmac.program.registry import InstructionRegistry
from lmac.program.revision import Split
from lmac.tools import Toolbox, Workspace
from lmac.transitions import MachineLimits, MachineState
from lmac.transitions.stuck import WARMTH_STEP

ATTEMPT_WARMTH = 0.2
"""Added to the temperature for every attempt at an instruction that failed."""

Splitter = Callable[[Briefing, Conversation, InstructionRegistry, Sampling], Split | None]
"""Divides the current instruction into smaller ones; None when it cannot."""


class Machine:
    """The one thing in the control unit that changes.

    Args:
        lower: Forms of actions to step down to, in their order.
        weakened: What makes tests evidence; without it they are only run.
        split: What divides an instruction that its attempts did not complete; without it that is given up.
        floor: The report on what the store begins with; None when nobody judged it.
    """

    def __init__(
        self,
        setting: Setting,
        conversation: Conversation,
        protocol: ActionProtocol,
        workspace: Workspace,
        journal: Journal,
        lower: Sequence[ActionProtocol] = (),
        weakened: Weakened | None = None,
        split: Splitter | None = None,
        floor: Report | None = None,
    ) -> None:
        self.conversation = conversation
        self.workspace = workspace
        self.journal = journal
        self.lower = list(lower)
        """Forms of actions that are left to step down to."""
        self.split = split
        self.guard = RegressionGuard(workspace.store)
        self.standing_tests = StandingTests(weakened)
        self.equipment: Equipment
        self.equip(setting, protocol)
        self.offered: Toolbox = self.equipment.toolbox
        """What the model may do in the open window."""
        self.chosen: Report | None = None
        """On the candidate that was taken, until its files stand in the store."""
        digest = workspace.store.digest()
        self.state = MachineState(store_digest=digest, opening_digest=digest, report=floor)
        self.state = replace(self.state, can_step_down=self.can_step_down)

    def equip(self, setting: Setting, protocol: ActionProtocol) -> None:
        """Take this form of actions."""
        self.equipment = equipment(
            setting, protocol, self.conversation, self.workspace, self.journal, self.sampling
        )

    @property
    def limits(self) -> MachineLimits:
        return self.equipment.setting.limits

    @property
    def briefing(self) -> Briefing:
        return self.equipment.briefing

    @property
    def registry(self) -> InstructionRegistry:
        assert self.state.registry is not None, "decide() asks for a program before anything else"
        return self.state.registry

    @property
    def is_last(self) -> bool:
        return self.registry.counter + 1 >= len(self.registry.program.instructions)

    @property
    def due(self) -> Due:
        """What of the task has to be there when the current instruction is completed."""
        later = self.registry.program.instructions[self.registry.counter + 1 :]
        of_tests = [step.writes_only_tests for step in later]
        absent = self.workspace.store.missing(self.registry.later_files)
        return Due(whole=all(of_tests), tests=not any(of_tests), later=frozenset(absent))

    @property
    def report_at_hand(self) -> Report | None:
        """The report on the store as it stands; one on older files is none."""
        report = self.state.report
        return report if report is not None and report.store_digest == self.state.store_digest else None

    @property
    def can_step_down(self) -> bool:
        """A program can always be asked for as a numbered list, and a list in no simpler form."""
        if self.state.registry is not None:
            return bool(self.lower)
        return self.equipment.setting.program_form is not ProgramForm.NUMBERED

    @property
    def may_split(self) -> bool:
        """A machine without a program has none to revise."""
        revisable = self.limits.program_tries > 0 and self.registry.revisions < self.limits.revisions
        return self.split is not None and revisable

    @property
    def may_retire(self) -> bool:
        """From the first step on where others follow, so that all windows begin with the same words."""
        return self.standing_tests.stands or (
            self.standing_tests.weakened is not None and len(self.registry.program.instructions) > 1
        )

    def missing_files(self) -> tuple[str, ...]:
        """Files that the current instruction names and the store does not hold."""
        return self.workspace.store.missing(self.registry.current.files)

    def turn_sampling(self) -> Sampling:
        """Of the turn at hand: no cooler than the setting wants it for a reply to a red report."""
        sampling, report = self.sampling(), self.report_at_hand
        least = self.equipment.setting.repair_temperature
        if least is None or self.state.turns < 2 or report is None or report.green:
            return sampling
        return replace(sampling, temperature=max(sampling.temperature, least))

    def leave(self, registry: InstructionRegistry) -> None:
        """Close the window; the registry says what comes next."""
        state = self.state
        self.state = replace(
            state,
            registry=registry,
            window_open=False,
            window_overflows=False,
            finish_requested=False,
            unchanged_finish_refused=False,
            budget_spent=state.budget_spent if state.budget_scope is Scope.RUN else None,
            weakened=(),
        )

    def sampling(self, attempt: int | None = None) -> Sampling:
        """Each attempt is warmer and has a seed of its own: the same words would end the same way.

        Within an attempt the temperature rises while turns bring nothing new, up to 1.0, and goes back.
        Source: L2MAC, appendix.
        """
        sampling = self.equipment.setting.sampling
        number = self.registry.attempts if attempt is None else attempt
        warmth = ATTEMPT_WARMTH * number + WARMTH_STEP * self.state.watch.heat
        return replace(
            sampling,
            temperature=max(sampling.temperature, min(round(sampling.temperature + warmth, 3), 1.0)),
            seed=None if sampling.seed is None else sampling.seed + number,
        )
