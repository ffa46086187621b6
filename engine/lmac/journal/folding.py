"""What a run has come to, from its events alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from lmac.errors import ConfigError
from lmac.evaluation import Report, read_check_result
from lmac.journal.event import Event
from lmac.journal.tape import RESUMED, counting, milliseconds
from lmac.messages import Usage
from lmac.program import Instruction, Program, Requirement
from lmac.program.registry import InstructionEnd, InstructionRegistry
from lmac.transitions import Outcome

Fields = Mapping[str, Any]

_INSTRUCTIONS = TypeAdapter(tuple[Instruction, ...])
_REQUIREMENTS = TypeAdapter(tuple[Requirement, ...])


@dataclass(frozen=True, slots=True)
class RunState:
    """A run at one event."""

    events: int = 0
    """That count: what a run left behind when it was resumed does not."""
    last: Event | None = None
    opening: Fields = field(default_factory=dict)
    """What the run is made of; empty before its first event."""
    requirements: tuple[Requirement, ...] = ()
    registry: InstructionRegistry | None = None
    """The program with its counter; None before there is one."""
    ledger: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Numbers of requirements by their state; empty before the program."""
    store_digest: str = ""
    """"" before anything was told of the store."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The store: the sha256 of each file, by path."""
    reports: Mapping[str, Report] = field(default_factory=dict)
    """Verdicts by the digest that they judge, without long lists that stand beside the journal."""
    acceptance: Report | None = None
    delivered: Mapping[str, str] | None = None
    """The sha256 of each file, by path; None before they are."""
    calls: int = 0
    """Of the model, failed ones too."""
    usage: Usage = Usage()
    seconds: float = 0.0
    """For which a process carried it out."""
    resumed: int = 0
    """How often."""
    outcome: Outcome | None = None
    """None for a run that has not ended."""
    error: str = ""

    @property
    def report(self) -> Report | None:
        """On the files as they are."""
        return self.reports.get(self.store_digest)


def fold(events: Iterable[Event]) -> RunState:
    """The state after these events, of a whole journal or of its first part.

    Raises:
        ConfigError: an event is none that this version writes.
    """
    state = RunState()
    for event in counting(events, lambda event: event):
        try:
            state = _after(state, event)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise ConfigError(
                f"journal, event {event.seq} ({event.kind[:40]}): not as this version of LMAC writes it",
                "look at it with the version that wrote it",
            ) from error
    return state


def _after(state: RunState, event: Event) -> RunState:
    passed = 0
    if state.last is not None and event.kind != RESUMED:
        passed = milliseconds(event.at) - milliseconds(state.last.at)
    changes = _changes(state, event.kind, event.data)
    seconds = round(state.seconds + passed / 1000, 3)
    return replace(state, events=state.events + 1, last=event, seconds=seconds, **changes)


def _changes(state: RunState, kind: str, data: Fields) -> dict[str, Any]:
    """Fields of the state that an event of that kind changes."""
    match kind:
        case "run_opened":
            return {"opening": data}
        case "started_from":
            return {"files": dict(data["files"])}
        case "requirements":
            return {"requirements": _REQUIREMENTS.validate_python(data["requirements"])}
        case "program" | "program_revised":
            return {"registry": _programmed(state, kind, data)}
        case "restart" | "instruction_end":
            return {"registry": _moved_on(state.registry, kind, data)}
        case "ledger":
            names = ("open", "built", "shown")
            return {"ledger": {name: tuple(data[name]) for name in names}}
        case "observation" | "restored":
            digest = data.get("store_digest", state.store_digest)
            return {"store_digest": digest, "files": _changed(state.files, data.get("files", {}))}
        case "report" | "floor":
            report = _report(data)
            reports = {**state.reports, report.store_digest: report}
            return {"reports": reports, "store_digest": report.store_digest}
        case "reply" | "model_error" | "retry":
            # One from the response cache was paid for by another run.
            is_paid = kind == "reply" and not data.get("cached", False)
            usage = Usage(**data["usage"]) if is_paid else Usage()
            return {"calls": state.calls + 1, "usage": state.usage + usage}
        case "exported":
            return {"delivered": dict(data.get("digests", {}))}
        case "acceptance":
            return {"acceptance": _report(data)}
        case "resumed":
            return {"resumed": state.resumed + 1}
        case "run_closed":
            return {"outcome": Outcome(data["outcome"]), "error": data["error"]}
        case _:
            # What else there is tells how it went, not what it has come to.
            return {}


def _programmed(state: RunState, kind: str, data: Fields) -> InstructionRegistry:
    instructions = _INSTRUCTIONS.validate_python(data["instructions"])
    registry = state.registry
    if kind == "program" or registry is None:
        return InstructionRegistry(
            Program(instructions, _REQUIREMENTS.validate_python(data.get("requirements", ())))
        )
    program = replace(registry.program, instructions=instructions)
    revised = replace(registry, program=program, revisions=registry.revisions + 1)
    stays = not registry.finished and not revised.finished and revised.number == registry.number
    return revised if stays else replace(revised, attempts=0, progress="")


def _moved_on(registry: InstructionRegistry | None, kind: str, data: Fields) -> InstructionRegistry | None:
    if registry is None:
        return None
    if kind == "restart":
        return registry.restart(data["progress"])
    return registry.advance(InstructionEnd(data["end"]), data["summary"])


def _changed(files: Mapping[str, str], changes: Mapping[str, str | None]) -> Mapping[str, str]:
    if not changes:
        return files
    held = {**files, **changes}
    return {path: digest for path, digest in held.items() if digest is not None}


def _report(data: Fields) -> Report:
    return Report(data["store_digest"], tuple(map(read_check_result, data["results"])))
