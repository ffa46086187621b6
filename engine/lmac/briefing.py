"""What the processor is told: every text of a run, from prompts, program, store and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lmac.context import ContextWindow
from lmac.evaluation import Report
from lmac.file_store import FileStore
from lmac.messages import Message, Role, Sampling
from lmac.processor.actions import ActionProtocol, EditForm, ToolForm, offered_edits
from lmac.program import Program, ProgramForm, Task
from lmac.program.outline import render_ends, render_instruction, render_outline
from lmac.program.registry import InstructionEnd, InstructionRegistry
from lmac.prompts import Prompts
from lmac.rendering import render_report, untrusted
from lmac.store_map import Focus, NotMapped, StoreMap
from lmac.transitions import MachineLimits

SHOWN_LATER_FILES = 8


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
    summary_tokens: int = 200
    edits: tuple[EditForm, ...] = ()
    """The ways to change files that the profile names; none: those that suit the protocol."""
    opening_file_characters: int = 6000
    """Room for contents of files in the message that opens an instruction."""
    report_characters: int = 3000
    program: Program | None = None
    """Given by the user, in place of the model's."""
    tested_steps: bool = True
    """Whether a step of the simplest form names a file of tests beside what it writes."""
    map_characters: int = 2400
    """Room for the store map."""
    shows_own_files_again: bool = False
    """Whether another attempt sees what the last one wrote: whoever edits files needs to; whoever writes them
    whole copies what it sees, faults too."""
    candidates: int = 1
    """Replies that are sampled for an instruction's first write."""
    candidate_temperature: float = 0.8
    """Of all candidates but the first."""
    candidate_hints: bool = False
    """Whether they are told what the best one before them lacks."""
    repair_temperature: float | None = None
    """Least temperature of a reply to a red report."""
    plans: bool = False
    """Whether files are written after a short plan."""

    @property
    def keeps_to_step(self) -> bool:
        """Whether a step leaves to later ones what only they name: small models write all at once."""
        return not self.program_form.is_whole


@dataclass(frozen=True, slots=True)
class Briefing:
    """Makes windows and notices; changes nothing."""

    setting: Setting
    protocol: ActionProtocol
    store: FileStore
    outlines: StoreMap | None = None
    """For windows that show files."""

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
            report: On the store as it stands; told when it is red and the instruction has files of its own in
                there. What earlier ones left broken would else be mended in place of writing them.
        """
        anew = bool(registry.attempts) and not self.setting.shows_own_files_again
        own = registry.current.files
        has_own = len(self.store.missing(own)) < len(own)
        told = render_instruction(registry, self.setting.task.text)
        prompts = self.setting.prompts
        if registry.leaves_tests:
            prompts = prompts.without_part("test_file_rule")
        user = prompts.render(
            "opening",
            task=self.setting.task.text,
            program=render_outline(registry),
            summary=_done_so_far(registry),
            files=self._files(registry),
            number=registry.number,
            instruction="\n".join(filter(None, (told, self._keeping_to(registry)))),
            how_to_write=self._how_to_write if anew or not has_own else self._how_to_change,
        )
        if report is not None and not report.green and (has_own or not own):
            text = "again" if anew else "red"
            user = f"{user}\n\n{self._red(text, report, self.setting.report_characters // 2)}"
        return self._window(self._render("programmer", manual=self.protocol.manual(forms)), user, forms)

    def verdict(self, registry: InstructionRegistry, report: Report, before: Report | None = None) -> str:
        """A new report, with the step's files that are still missing.

        Args:
            before: The report that the window holds already: what is new since then is told first.
        """
        if not report.green:
            return self._red("red", report, self.setting.report_characters, before)
        rendered = untrusted(render_report(report, self.setting.report_characters))
        text = self._render("green", report=rendered, number=registry.number)
        missing = self.store.missing(registry.current.files)
        return f"{self._render('missing_files', files=', '.join(missing))} {text}" if missing else text

    def hint(self, report: Report) -> str:
        """What the files lack that were written in reply to the same words, for whoever writes them anew."""
        return self._red("again", report, self.setting.report_characters // 2)

    def reminder(self, registry: InstructionRegistry, report: Report | None) -> str:
        """What to say when nothing new was judged."""
        if report is not None and not report.green:
            return self._red("still_red", report, self.setting.report_characters // 2)
        if missing := self.store.missing(registry.current.files):
            # Of one file alone: that is all which a small model that only planned so far has to begin with.
            told = self._render("missing_files", files=", ".join(missing))
            return f"{told} {self.protocol.how_to_begin(missing[0])}"
        return self._render("go_on", number=registry.number)

    def finish_refused(self, registry: InstructionRegistry, reason: str) -> str:
        return self._render("finish_refused", number=registry.number, reason=reason)

    def summary_question(self, registry: InstructionRegistry, end: InstructionEnd | None) -> str:
        """What to ask before a window is left; `end` is None for another attempt."""
        question = "completed_summary" if end is InstructionEnd.COMPLETED else "progress_summary"
        return self._render(question, number=registry.number)

    def _render(self, text: str, **values: str | int) -> str:
        return self.setting.prompts.render(text, **values)

    def _red(self, text: str, report: Report, most_characters: int, before: Report | None = None) -> str:
        rendered = untrusted(render_report(report, most_characters, before))
        if text == "again":
            return self._render(text, report=rendered, how_to_write=self._how_to_write)
        return self._render(text, report=rendered, how_to_change=self._how_to_change)

    def _keeping_to(self, registry: InstructionRegistry) -> str:
        """That files of later steps are theirs; "" where a step may write any."""
        own, later = registry.current.files, tuple(registry.later_files)
        if not self.setting.keeps_to_step or not own or not later:
            return ""
        more = f" and {len(later) - SHOWN_LATER_FILES} more" if len(later) > SHOWN_LATER_FILES else ""
        theirs = f"{', '.join(later[:SHOWN_LATER_FILES])}{more}"
        return f"Write no other file than {', '.join(own)} now: later steps write {theirs}."

    @property
    def _how_to_write(self) -> str:
        how = self.protocol.how_to_write
        return f"{self._render('plan')} {how}" if self.setting.plans else how

    @property
    def _how_to_change(self) -> str:
        edits = offered_edits(self.setting.edits, self.protocol.name)
        return self.protocol.how_to_change if EditForm.REPLACE in edits else self.protocol.how_to_rewrite

    def _window(self, system: str, user: str, forms: Sequence[ToolForm]) -> ContextWindow:
        return ContextWindow(
            prefix=(Message(Role.SYSTEM, system), Message(Role.USER, user)),
            limit_tokens=self.setting.context_tokens,
            reply_tokens=self.setting.sampling.reply_tokens,
            tools=self.protocol.specs(forms),
            json_schema=self.protocol.schema(forms),
        )

    def _files(self, registry: InstructionRegistry) -> str:
        """The store map, and contents as far as there is room: first of the files that the step names."""
        if self.outlines is None or not self.store.paths():
            return "none yet."
        own = registry.current.files
        hidden = own if registry.attempts and not self.setting.shows_own_files_again else ()
        focus = Focus(own, _files_before(registry), registry.current.text)
        try:
            view = self.outlines.look(
                focus, self.setting.map_characters, self.setting.opening_file_characters, hidden
            )
        except NotMapped as reason:
            return f"{len(self.store.paths())} files; they could not be mapped: {reason}."
        parts = [untrusted(view.text)]
        for path in view.whole:
            content = self.store.read(path).decode("utf-8", "replace")
            parts.append(f"\n{self.protocol.shown_file(path, content)}")
        return "\n".join(parts)


def _done_so_far(registry: InstructionRegistry) -> str:
    told = (render_ends(registry), registry.previous_summary, registry.progress)
    return "\n".join(filter(None, told)) or "nothing yet."


def _files_before(registry: InstructionRegistry) -> tuple[str, ...]:
    """Of the instructions on whose results the current one builds."""
    wanted = set(registry.current.depends_on)
    steps = (step for step in registry.program.instructions if step.number in wanted)
    return tuple(path for step in steps for path in step.files)
