"""What the processor is told while the program is written, and when a step of it is split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmac.briefing import Setting
from lmac.context import ContextWindow
from lmac.messages import Message, Role
from lmac.processor.actions import ActionProtocol
from lmac.program import ProgramForm, Requirement
from lmac.program.outline import is_numbered_in, render_program
from lmac.program.registry import InstructionRegistry
from lmac.program.revision import MOST_PARTS
from lmac.program.simple_forms import program_schema
from lmac.program_answers import MOST_ASKED_REQUIREMENTS, PARTS, PROGRAM, REQUIREMENTS, Question, schema_of


@dataclass(frozen=True, slots=True)
class ProgramBriefing:
    """Makes windows and notices; changes nothing."""

    setting: Setting
    protocol: ActionProtocol

    def requirements_window(self) -> ContextWindow:
        """The window in which the task's requirements are numbered."""
        text = self._render(
            "requirements", task=self.setting.task.text, most_requirements=MOST_ASKED_REQUIREMENTS
        )
        return self._asking(text, REQUIREMENTS)

    def requirements_fault(self, fault: str) -> str:
        """Why an answer holds no requirements."""
        return self._render("requirements_fault", fault=fault)

    def program_window(self, requirements: Sequence[Requirement]) -> ContextWindow:
        """The window in which the program is written, for these requirements."""
        form, most = self.setting.program_form, self.setting.most_instructions
        task = self.setting.task.text
        if not form.is_whole:
            text = self._render(f"program_{form.value}", task=task, most_instructions=most)
            schema = program_schema(most, self.setting.tested_steps) if form is ProgramForm.JSON else None
            return self._window(text, schema)
        listed = "\n".join(f"{found.number}. {found.text}" for found in requirements)
        if requirements and all(is_numbered_in(found, task) for found in requirements):
            # Twice the same text would only fill the window.
            listed = f"those that the task numbers, {requirements[0].number} to {requirements[-1].number}."
        text = self._render(
            f"program_{form.value}",
            task=task,
            requirements=listed or "as the task says them.",
            most_instructions=most,
        )
        return self._asking(text, PROGRAM)

    def program_fault(self, fault: str) -> str:
        """Why a program cannot be used."""
        return self._render("program_fault", fault=fault, most_instructions=self.setting.most_instructions)

    def program_gaps(self, gaps: Sequence[str]) -> str:
        """What a program lacks. Source: L2MAC, the reflection on the program."""
        listed = "\n".join(f"- {gap}" for gap in gaps)
        return self._render("program_gaps", gaps=listed, most_instructions=self.setting.most_instructions)

    def split_window(self, registry: InstructionRegistry) -> ContextWindow:
        """The window in which the current instruction is split."""
        form = self.setting.program_form
        text = self._render(
            "split_numbered" if form is ProgramForm.NUMBERED else "split",
            task=self.setting.task.text,
            program=render_program(registry),
            number=registry.number,
            instruction=registry.current.text,
            progress=registry.progress or "nothing that helps.",
            most_parts=MOST_PARTS,
        )
        return self._window(text, None) if form is ProgramForm.NUMBERED else self._asking(text, PARTS)

    def _asking(self, text: str, question: Question[Any]) -> ContextWindow:
        """A window that wants one answer, in the form that the profile names."""
        if self.setting.program_form is ProgramForm.TOOL:
            return self._window(text, None, question)
        return self._window(text, schema_of(question.answer))

    def _render(self, text: str, **values: str | int) -> str:
        return self.setting.prompts.render(text, **values)

    def _window(
        self, user: str, schema: Mapping[str, Any] | None, question: Question[Any] | None = None
    ) -> ContextWindow:
        return ContextWindow(
            prefix=(Message(Role.SYSTEM, self._render("architect")), Message(Role.USER, user)),
            limit_tokens=self.setting.context_tokens,
            reply_tokens=self.setting.sampling.reply_tokens,
            tools=self.protocol.specs((question.form(),)) if question else (),
            json_schema=schema,
        )
