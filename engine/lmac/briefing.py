"""What the processor is told: every text of a run, from prompts, program, store and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lmac.context import ContextWindow
from lmac.evaluation import Report
from lmac.file_store import FileStore
from lmac.messages import Message, Role, Sampling
from lmac.processor.actions import ActionProtocol, ToolForm
from lmac.program import ProgramForm, Task, program_schema
from lmac.prompts import Prompts
from lmac.registry import InstructionEnd, InstructionRegistry
from lmac.rendering import render_report, untrusted
from lmac.transitions import MachineLimits


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same for the whole run."""

    task: Task
    prompts: Prompts
    limits: MachineLimits
    most_instructions: int
    context_tokens: int
    sampling: Sampling
    program_form: ProgramForm
    opening_file_characters: int = 6000
    """Room for contents of files in the message that opens an instruction."""
    report_characters: int = 3000


@dataclass(frozen=True, slots=True)
class Briefing:
    """Makes windows and notices; changes nothing."""

    setting: Setting
    protocol: ActionProtocol
    store: FileStore

    def program_window(self, forms: Sequence[ToolForm]) -> ContextWindow:
        """The window in which the program is written."""
        form, most = self.setting.program_form, self.setting.most_instructions
        user = self._render(f"program_{form.value}", task=self.setting.task.text, most_instructions=most)
        window = self._window(self._render("architect"), user, forms)
        return replace(window, json_schema=program_schema(most)) if form is ProgramForm.JSON else window

    def program_fault(self, fault: str) -> str:
        """Why a program cannot be used. Source: L2MAC, the reflection on the program."""
        return self._render("program_fault", fault=fault, most_instructions=self.setting.most_instructions)

    def single_window(self, forms: Sequence[ToolForm]) -> ContextWindow:
        """The one window of a single call, half of it for the reply, since there is no second one."""
        system = self._render("programmer", manual=self.protocol.manual(forms))
        window = self._window(system, self._render("single", task=self.setting.task.text), forms)
        return replace(window, reply_tokens=self.setting.context_tokens // 2)

    def instruction_window(
        self, registry: InstructionRegistry, forms: Sequence[ToolForm], report: Report | None
    ) -> ContextWindow:
        """A fresh window for the current instruction.

        Args:
            report: On the store as it stands; told when it is red.
        """
        user = self._render(
            "opening",
            task=self.setting.task.text,
            program=render_program(registry),
            summary="\n".join(filter(None, (registry.previous_summary, registry.progress))) or "nothing yet.",
            files=self._files(registry),
            number=registry.counter + 1,
            instruction=registry.current.text,
            how_to_write=self.protocol.how_to_write,
        )
        if report is not None and not report.green:
            text = "again" if registry.attempts else "red"
            user = f"{user}\n\n{self._red(text, report, self.setting.report_characters // 2)}"
        return self._window(self._render("programmer", manual=self.protocol.manual(forms)), user, forms)

    def verdict(self, registry: InstructionRegistry, report: Report) -> str:
        """A new report, with the step's files that are still missing."""
        if not report.green:
            return self._red("red", report, self.setting.report_characters)
        rendered = untrusted(render_report(report, self.setting.report_characters))
        text = self._render("green", report=rendered, number=registry.counter + 1)
        missing = self.store.missing(registry.current.files)
        return f"{self._render('missing_files', files=', '.join(missing))} {text}" if missing else text

    def reminder(self, registry: InstructionRegistry, report: Report | None) -> str:
        """What to say when nothing new was judged."""
        if report is not None and not report.green:
            return self._red("still_red", report, self.setting.report_characters // 2)
        return self._render("go_on", number=registry.counter + 1)

    def finish_refused(self, registry: InstructionRegistry, reason: str) -> str:
        return self._render("finish_refused", number=registry.counter + 1, reason=reason)

    def summary_question(self, registry: InstructionRegistry, end: InstructionEnd | None) -> str:
        """What to ask before a window is left; `end` is None for another attempt."""
        question = "completed_summary" if end is InstructionEnd.COMPLETED else "progress_summary"
        return self._render(question, number=registry.counter + 1)

    def _render(self, text: str, **values: str | int) -> str:
        return self.setting.prompts.render(text, **values)

    def _red(self, text: str, report: Report, most_characters: int) -> str:
        rendered = untrusted(render_report(report, most_characters))
        return self._render(text, report=rendered, how_to_write=self.protocol.how_to_write)

    def _window(self, system: str, user: str, forms: Sequence[ToolForm]) -> ContextWindow:
        return ContextWindow(
            prefix=(Message(Role.SYSTEM, system), Message(Role.USER, user)),
            limit_tokens=self.setting.context_tokens,
            reply_tokens=self.setting.sampling.reply_tokens,
            tools=self.protocol.specs(forms),
        )

    def _files(self, registry: InstructionRegistry) -> str:
        """The listing, and the contents of files as far as there is room: first those that the step names.

        After a failed attempt its own files are only listed: a small model copies what it sees, faults too.
        """
        entries = self.store.entries()
        if not entries:
            return "none yet."
        lines = [f"{entry.path} ({entry.size_bytes} bytes)" for entry in entries]
        room = self.setting.opening_file_characters
        own = registry.current.files
        for entry in sorted(entries, key=lambda entry: (entry.path not in own, entry.path)):
            if entry.size_bytes > room or (registry.attempts and entry.path in own):
                continue
            room -= entry.size_bytes
            content = self.store.read(entry.path).decode("utf-8", "replace")
            lines.append(f"\n{self.protocol.shown_file(entry.path, content)}")
        return "\n".join(lines)


def render_program(registry: InstructionRegistry) -> str:
    """The outline with what became of each step."""
    lines = []
    for index, step in enumerate(registry.program.instructions):
        if index < registry.counter:
            mark = f"  [{registry.ends[index].value}]"
        else:
            mark = "  <- current step" if index == registry.counter else ""
        files = f" (files: {', '.join(step.files)})" if step.files else ""
        lines.append(f"{index + 1}. {step.text}{files}{mark}")
    return "\n".join(lines)
