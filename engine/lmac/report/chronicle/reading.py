"""From the events of a journal to the run's chronicle."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from lmac.errors import ConfigError
from lmac.journal import Event, read_journal
from lmac.report.chronicle import (
    ActionTold,
    CallTold,
    Chronicle,
    MessageTold,
    NoteTold,
    ReportTold,
    RequirementTold,
    StepTold,
    WindowTold,
)
from lmac.report.chronicle.contents import Contents
from lmac.report.chronicle.file_history import FileHistory, content_digests
from lmac.report.chronicle.told import Told
from lmac.report.chronicle.verdicts import read_check
from lmac.report.delivered import delivered_files

SHORT_CHARACTERS = 120
"""Of an action's arguments, for a line."""
_NOTED = (
    "masked",
    "window_narrowed",
    "retry",
    "model_error",
    "budget_refused",
    "stuck",
    "unstuck",
    "split_asked",
    "program_refused",
    "program_gaps",
    "requirements_refused",
    "revision_refused",
    "protocol_stepped_down",
    "summary_missing",
    "test_retired",
    "continued",
    "store_lost",
    "response_cache_fault",
    "dependencies_failed",
    "keeper_replaced",
    "resumed",
    "stopped",
)
_NOT_NOTED = frozenset({"store_digest", "progress", "instructions", "revision", "after"})


def read_chronicle(folder: Path) -> Chronicle:
    """Read a run's folder: its journal, what lies beside it, and the delivered files.

    Raises:
        ConfigError: no journal, or one that was changed.
    """
    contents = Contents(folder)
    reader = _Reader(Chronicle(folder.name, contents))
    for event in _counting(read_journal(folder)):
        reader.take(event)
    reader.compare(folder)
    return reader.chronicle


def _counting(events: Iterable[Event]) -> list[Event]:
    """Without what a run that was resumed has left behind."""
    counting: list[Event] = []
    for event in events:
        if event.kind == "resumed" and "after" in (told := Told(event.data)):
            while counting and counting[-1].seq > told.count("after"):
                counting.pop()
        counting.append(event)
    return counting


class _Reader:
    """Folds one event after the other."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle = chronicle
        self._history = FileHistory(chronicle.contents)
        self._limit_tokens = 0
        self._by_seq: dict[int, CallTold] = {}
        self._turns: Counter[int] = Counter()
        self._exported = ""
        self._takes: dict[str, Callable[[Event, Told], None]] = {
            "run_opened": self._open,
            "run_closed": self._close,
            "server_sizes": self._size,
            "started_from": self._start,
            "program": self._program,
            "program_revised": self._program,
            "requirements": self._requirements,
            "ledger": self._ledger,
            "window": self._window,
            "request": self._request,
            "reply": self._reply,
            "observation": self._observation,
            "candidates": self._candidates,
            "restored": self._restored,
            "decision": self._decision,
            "report": self._report,
            "floor": self._report,
            "acceptance": self._report,
            "restart": self._restart,
            "instruction_end": self._instruction_end,
            "exported": self._export,
        }

    def take(self, event: Event) -> None:
        told = Told(event.data)
        self.chronicle.events += 1
        self.chronicle.opened_at = self.chronicle.opened_at or event.at
        self.chronicle.closed_at = event.at if isinstance(event.at, str) else ""
        take = self._takes.get(event.kind)
        if take is not None:
            take(event, told)
        elif event.kind in _NOTED:
            self._note(event.kind.replace("_", " "), _in_words(told))
        if event.kind == "window_narrowed":
            self._limit_tokens = told.count("tokens") or self._limit_tokens
        if not self._history.is_known and not self.chronicle.unknown_since:
            self.chronicle.unknown_since = len(self.chronicle.calls) or 1

    def compare(self, folder: Path) -> None:
        """Hold the delivered files against the journal's word, and end with them."""
        chronicle = self.chronicle
        chronicle.is_closed = bool(chronicle.outcome)
        try:
            delivered = delivered_files(folder)
        except ConfigError as error:
            chronicle.delivery_fault = error.message
            delivered = {}
        if delivered and self._exported:
            digests = content_digests(delivered)
            changes = self._history.delivered(digests, self._exported)
            if changes is None:
                chronicle.delivery_fault = "they are not those that the journal says were delivered"
            else:
                for path, content in delivered.items():
                    if chronicle.contents.find(digests[path]) is None:
                        chronicle.contents.keep(content)
                if changes and chronicle.calls:
                    chronicle.calls[-1].other_changes += changes
        chronicle.files = self._history.files
        chronicle.files_are_known = self._history.is_known

    # The run

    def _open(self, event: Event, told: Told) -> None:
        chronicle = self.chronicle
        profile = told.inner("profile")
        chronicle.task = told.text("task")
        chronicle.version = told.text("lmac_version")
        chronicle.machine = told.text("machine")
        chronicle.model = profile.text("name")
        chronicle.image_id = told.text("image_id")
        chronicle.config, chronicle.profile = told.raw("config"), told.raw("profile")
        self._limit_tokens = profile.count("context_tokens")

    def _close(self, event: Event, told: Told) -> None:
        self.chronicle.outcome = told.text("outcome") or "closed"
        self.chronicle.error = told.text("error")

    def _size(self, event: Event, told: Told) -> None:
        self._limit_tokens = told.count("context_tokens")

    def _start(self, event: Event, told: Told) -> None:
        self.chronicle.start = self._history.start(told.inner("files"))

    def _export(self, event: Event, told: Told) -> None:
        self._exported = told.digest("store_digest")

    # The program

    def _program(self, event: Event, told: Told) -> None:
        before = {step.number: step for step in self.chronicle.steps}
        steps = []
        for place, step in enumerate(told.inners("instructions"), start=1):
            number = step.count("number") or place
            known = before.get(number) if event.kind == "program_revised" else None
            steps.append(
                StepTold(
                    number,
                    step.text("text"),
                    step.texts("files"),
                    step.counts("requirements"),
                    step.text("check"),
                    *((known.end, known.reason, known.summary) if known else ()),
                )
            )
            if known:
                steps[-1].files_after, steps[-1].ended_at = known.files_after, known.ended_at
                steps[-1].last_call = known.last_call
        self.chronicle.steps = steps
        if event.kind == "program_revised":
            self._note("program revised", f"{told.text('change')}: {told.text('reason')}")
            return
        if "requirements" in told:
            self._requirements(event, told)
        if self.chronicle.calls:
            self._note("the program", f"{len(steps)} instructions")

    def _requirements(self, event: Event, told: Told) -> None:
        self.chronicle.requirements = [
            RequirementTold(item.count("number"), item.text("text"), "open", ())
            for item in told.inners("requirements")
        ]

    def _ledger(self, event: Event, told: Told) -> None:
        states = {number: state for state in ("open", "built", "shown") for number in told.counts(state)}
        shown = told.inner("shown_by")
        self.chronicle.requirements = [
            RequirementTold(
                entry.number,
                entry.text,
                states.get(entry.number, entry.state),
                shown.texts(str(entry.number)),
            )
            for entry in self.chronicle.requirements
        ]

    def _window(self, event: Event, told: Told) -> None:
        self.chronicle.windows.append(WindowTold(told.count("instruction"), told.count("attempt")))

    def _restart(self, event: Event, told: Told) -> None:
        self._note("a new attempt", told.text("reason"))

    def _instruction_end(self, event: Event, told: Told) -> None:
        index = told.count("instruction")
        self._note(f"instruction {told.text('end')}", told.text("reason"))
        if index < len(self.chronicle.steps):
            step = self.chronicle.steps[index]
            step.end, step.reason = told.text("end"), told.text("reason")
            step.summary, step.ended_at = told.text("summary"), event.at
            step.last_call = len(self.chronicle.calls)
            step.files_after = self._history.files if self._history.is_known else None

    # Calls

    def _request(self, event: Event, told: Told) -> None:
        calls = self.chronicle.calls
        if not self.chronicle.windows:
            self.chronicle.windows.append(WindowTold(None, 0))
        purpose = told.text("purpose") or "turn"
        window = len(self.chronicle.windows) - 1
        if purpose == "turn":
            self._turns[window] += 1
        before = self._by_seq.get(told.count("after")) if told.raw("after") is not None else None
        kept = min(told.count("kept"), before.message_count) if before else 0
        messages = tuple(
            MessageTold(one.text("role"), one.digest("text"), one.digest("calls"))
            for one in told.inners("messages")
        )
        call = CallTold(
            number=len(calls) + 1,
            seq=event.seq,
            at=event.at,
            purpose=purpose,
            window=window,
            turn=self._turns[window] if purpose == "turn" else 0,
            temperature=told.inner("sampling").number("temperature"),
            estimated_tokens=told.count("estimated_tokens"),
            limit_tokens=self._limit_tokens,
            after=before.number if before and kept else 0,
            kept=kept,
            messages=messages,
            message_count=kept + len(messages),
        )
        calls.append(call)
        self._by_seq[event.seq] = call

    def _reply(self, event: Event, told: Told) -> None:
        if not self.chronicle.calls:
            return
        call, usage, contents = self.chronicle.calls[-1], told.inner("usage"), self.chronicle.contents
        call.prompt_tokens = usage.count("prompt_tokens")
        call.cached_tokens = min(usage.count("cached_tokens"), call.prompt_tokens)
        call.reply_tokens = usage.count("reply_tokens")
        call.seconds = told.number("seconds") or 0.0
        call.finish = told.text("finish") or "stop"
        call.reply = told.digest("text")
        if told.flag("cached"):
            self._note("from the response cache", "")
        if told.raw("calls"):
            call.reply_calls = contents.keep(json.dumps(told.raw("calls"), ensure_ascii=False, indent=1))

    def _observation(self, event: Event, told: Told) -> None:
        arguments = told.inner("arguments")
        name = told.text("action")
        changes = self._history.carried_out(name, arguments, told.digest("store_digest"))
        if self.chronicle.calls:
            action = ActionTold(
                name,
                arguments.text("path"),
                _short_arguments(arguments),
                told.flag("ok"),
                told.digest("text"),
                changes,
            )
            self.chronicle.calls[-1].actions.append(action)

    def _candidates(self, event: Event, told: Told) -> None:
        lights = ["green" if flag else "red" for flag in told.flags("green")]
        chosen = told.count("chosen") + 1
        self._note("candidates", f"{len(lights)} tried ({', '.join(lights)}), number {chosen} taken")

    def _restored(self, event: Event, told: Told) -> None:
        changes = self._history.judged(told.digest("store_digest"))
        if self.chronicle.calls:
            self.chronicle.calls[-1].other_changes += changes
        self._note("files put back", "the best files of this instruction take the place of later ones")

    def _decision(self, event: Event, told: Told) -> None:
        if told.text("what") == "RefuseFinish":
            self._note("done was refused", told.text("reason"))

    def _report(self, event: Event, told: Told) -> None:
        changes = self._history.judged(told.digest("store_digest"))
        report = ReportTold(
            event.kind,
            len(self.chronicle.calls),
            event.at,
            told.digest("store_digest"),
            told.flag("green"),
            tuple(read_check(result, self.chronicle.contents) for result in told.inners("results")),
        )
        self.chronicle.reports.append(report)
        if self.chronicle.calls:
            self.chronicle.calls[-1].reports.append(report)
            self.chronicle.calls[-1].other_changes += changes

    def _note(self, kind: str, text: str) -> None:
        calls = self.chronicle.calls
        (calls[-1].notes if calls else self.chronicle.notes).append(NoteTold(kind, text))


def _short_arguments(arguments: Told) -> str:
    said = [
        f"{name} {value}" if name != "path" else ""
        for name, value in arguments.pairs()
        if isinstance(value, str | int | float) and name not in ("content", "diff", "search", "replace")
    ]
    return ", ".join(filter(None, said))[:SHORT_CHARACTERS]


def _in_words(told: Told) -> str:
    said = []
    for name, value in told.pairs():
        if name in _NOT_NOTED or value in ("", None, []):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        said.append(
            text if name in ("text", "reason", "fault", "error") else f"{name.replace('_', ' ')} {text}"
        )
    return "; ".join(said)
