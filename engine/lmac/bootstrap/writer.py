"""From the task to a program: asks for it, sends gaps back, journals each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from lmac.bootstrap import read_program, read_requirements, requirements_at_hand
from lmac.bootstrap.briefing import ProgramBriefing
from lmac.briefing import Setting
from lmac.conversation import Conversation
from lmac.errors import ContextOverflow
from lmac.journal import Journal
from lmac.messages import Observation, Reply, Sampling
from lmac.processor.actions import ActionProtocol
from lmac.program import Instruction, Program, ProgramFault, Requirement, RequirementSource
from lmac.program.coverage import gaps, mended
from lmac.program.registry import InstructionRegistry
from lmac.program.simple_forms import modules_named, modules_then_tests
from lmac.transitions import MachineState

CALLS_A_STEP = 2
"""A write and a repair."""


class ProgramWriter:
    """Carries out the decisions of a machine that has no program yet; each method returns the next state.

    Its calls raise what `Conversation.ask` raises, but for ContextOverflow: what does not fit is not asked.
    Source: L2MAC, Algorithm 1, lines 1-2, and the reflection on the program.

    Args:
        sampling: By the number of tries before.
    """

    def __init__(
        self,
        setting: Setting,
        conversation: Conversation,
        protocol: ActionProtocol,
        journal: Journal,
        sampling: Callable[[int], Sampling],
    ) -> None:
        self._setting = setting
        self._conversation = conversation
        self._protocol = protocol
        self._journal = journal
        self._sampling = sampling
        self._briefing = ProgramBriefing(setting, protocol)

    def begin(self, state: MachineState) -> MachineState:
        """Take what needs no call: the user's program, and the requirements that code can read."""
        found, program = requirements_at_hand(self._setting), self._setting.program
        if program is not None:
            state = self._with_requirements(state, found.items, found.source, found.left_out)
            return self._with_program(state, replace(program, requirements=found.items), "user")
        if not found.items and self._may_ask_for_requirements:
            return replace(state, requirements_wanted=True)
        state = self._with_requirements(state, found.items, found.source, found.left_out)
        if (coarse := self._coarse_program(found.items)) is not None:
            return self._with_program(state, coarse, "the task's files")
        return state

    def ask_for_requirements(self, state: MachineState) -> MachineState:
        tries = state.requirement_tries
        if tries == 0:
            self._conversation.open(self._briefing.requirements_window())
        state = replace(state, requirement_tries=tries + 1)
        try:
            reply = self._conversation.ask(self._sampling(tries))
        except ContextOverflow:
            return self._with_requirements(state, (), RequirementSource.NONE)
        try:
            items = read_requirements(reply, self._setting.program_form, self._protocol)
        except ProgramFault as fault:
            self._answer_all_calls(reply, str(fault))
            self._journal.append("requirements_refused", fault=str(fault))
            faults = state.format_faults + 1
            if tries + 1 >= self._setting.limits.requirement_tries:
                state = self._with_requirements(state, (), RequirementSource.NONE)
                # The program is asked for in the next form, if there is one.
                return replace(state, format_faults=faults)
            state = replace(state, format_faults=faults)
            self._conversation.notice(self._briefing.requirements_fault(str(fault)))
            return state
        return self._with_requirements(state, items, RequirementSource.MODEL)

    def ask_for_program(self, state: MachineState) -> MachineState:
        tries = state.program_tries
        if tries == 0:
            self._conversation.open(self._briefing.program_window(state.requirements))
        state = replace(state, program_tries=tries + 1)
        try:
            reply = self._conversation.ask(self._sampling(tries))
        except ContextOverflow:
            return replace(state, program_tries=self._setting.limits.program_tries)
        program = self._read_program(reply, state.requirements)
        if program is None:
            return replace(state, format_faults=state.format_faults + 1)
        return self._judged(state, reply, program)

    def reflect(self, state: MachineState) -> MachineState:
        """Send the draft back with its gaps; a worse answer leaves it as it was."""
        state = replace(state, reflections=state.reflections + 1)
        self._conversation.notice(self._briefing.program_gaps(state.gaps))
        try:
            reply = self._conversation.ask(self._sampling(state.reflections))
        except ContextOverflow:
            return replace(state, reflections=self._setting.limits.reflections)
        program = self._read_program(reply, state.requirements)
        if program is None:
            return state
        if len(gaps(program)) > len(state.gaps):
            self._answer_all_calls(reply, "This program has more gaps than the one before it.")
            return state
        return self._judged(state, reply, program)

    def assume_program(self, state: MachineState) -> MachineState:
        """Take the draft as code mends it, or the task itself as the only instruction."""
        if state.draft is not None:
            return self._with_program(state, state.draft, "model")
        whole = Program((Instruction(self._setting.task.text),), state.requirements)
        return self._with_program(state, whole, "the task itself")

    def _coarse_program(self, requirements: tuple[Requirement, ...]) -> Program | None:
        """All modules in one step, where the model's program could say no more or its steps come to nothing.

        With one module there is nothing to divide. With several, each of their steps has to be paid a write
        and a repair, and the program before them; what comes to less leaves every step its first write alone.
        """
        setting = self._setting
        if setting.program_form.is_whole or not setting.tested_steps or not setting.limits.program_tries:
            return None
        modules = len(modules_named(setting.task))
        window = self._briefing.program_window(requirements)
        if modules > 1 and self._conversation.affords(1 + CALLS_A_STEP * modules, window):
            return None
        return modules_then_tests(setting.task, requirements)

    @property
    def _may_ask_for_requirements(self) -> bool:
        limits = self._setting.limits
        asked = limits.program_tries > 0 and limits.requirement_tries > 0
        return asked and self._setting.program_form.is_whole

    def _read_program(self, reply: Reply, requirements: tuple[Requirement, ...]) -> Program | None:
        """The program in a reply; None, with the fault told and journalled, when it holds none."""
        try:
            return read_program(reply, self._setting, requirements, self._protocol)
        except ProgramFault as fault:
            self._answer_all_calls(reply, str(fault))
            self._journal.append("program_refused", fault=str(fault))
            self._conversation.notice(self._briefing.program_fault(str(fault)))
            return None

    def _judged(self, state: MachineState, reply: Reply, program: Program) -> MachineState:
        """With a program that has no gaps, or comes in a form that names none; another one is the draft."""
        found = gaps(program)
        if not found or not self._setting.program_form.is_whole:
            return self._with_program(state, program, "model")
        self._answer_all_calls(reply, "The program was read.")
        self._journal.append("program_gaps", gaps=found)
        return replace(state, draft=program, gaps=found, format_faults=0)

    def _with_requirements(
        self,
        state: MachineState,
        items: tuple[Requirement, ...],
        source: RequirementSource,
        left_out: int = 0,
    ) -> MachineState:
        listed = [asdict(item) for item in items]
        self._journal.append("requirements", source=source.value, requirements=listed, left_out=left_out)
        return replace(state, requirements=items, requirements_wanted=False, format_faults=0)

    def _with_program(self, state: MachineState, given: Program, source: str) -> MachineState:
        """At the beginning of a program, its gaps closed and its instructions in their order."""
        program, notes = mended(given.numbered())
        self._journal.append(
            "program",
            source=source,
            instructions=[asdict(step) for step in program.instructions],
            requirements=[asdict(requirement) for requirement in program.requirements],
            mended=notes,
        )
        registry = InstructionRegistry(program)
        return replace(state, registry=registry, draft=None, gaps=(), window_open=False, format_faults=0)

    def _answer_all_calls(self, reply: Reply, text: str) -> None:
        for call in reply.calls:
            self._conversation.hear(Observation(text, ok=False, call_id=call.call_id))
