"""Progress as structlog events, made from the journal's events: what is shown is what is kept."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO

import structlog

from lmac.evaluation import read_check_result
from lmac.evaluation.wording import worded
from lmac.journal import Event, Listener
from lmac.printable import printable, reader_may_go

Shown = Mapping[str, Any]

DIGEST_CHARACTERS = 12
_NOT_SHOWN = frozenset({"progress", "store_digest", "instruction"})
"""Of an event: what is too long for a line, and the place, which stands there already."""


def progress_listener(run_id: str, stream: TextIO = sys.stderr, as_json: bool = False) -> Listener:
    """A listener that writes one line an event, bound to run, instruction and turn.

    Args:
        as_json: JSON lines instead of lines for people.
    """
    return _Progress(_logger(run_id, stream, as_json), stream, as_json)


def _logger(run_id: str, stream: TextIO, as_json: bool) -> structlog.typing.WrappedLogger:
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=22, sort_keys=False)
    )
    return structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            _printable,
            last,
        ],
        wrapper_class=structlog.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    ).bind(**({"run": run_id} if as_json else {}))


def _printable(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what a terminal would obey: paths and findings are untrusted."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


class _Progress:
    """Follows a journal and remembers where the run is."""

    def __init__(self, logger: Any, stream: TextIO, as_json: bool) -> None:
        self._logger = logger
        self._stream = stream
        self._as_json = as_json
        self._place: dict[str, Any] = {}
        self._instructions = 0
        self._turn = 0

    def __call__(self, event: Event) -> None:
        try:
            shown = self._shown(event.kind, event.data)
        except (KeyError, TypeError, ValueError, AttributeError):
            # A journal of an earlier version, or one that somebody else wrote.
            shown = {"told": "in another form"}
        if shown is not None and not event.again:
            at = event.at if self._as_json else _local_time(event.at)
            # Without a watcher the run goes on, and its journal tells the rest.
            with reader_may_go(self._stream):
                self._logger.msg(event.kind.replace("_", " "), **{**self._place, **shown, "timestamp": at})

    def _shown(self, kind: str, data: Shown) -> Shown | None:
        """The fields to show; None for an event that says nothing new to a person."""
        match kind:
            case "run_opened":
                return {
                    "model": data["profile"]["name"],
                    "image": data["image_id"].removeprefix("sha256:")[:12],
                }
            case "server_starting":
                return data
            case "resumed":
                return {"after_event": data["after"]}
            case "started_from":
                return {"files": len(data["files"]), "left_out": len(data["left_out"])}
            case "standing_suites":
                return {"judged_along": list(data["tests"])} if data["tests"] else None
            case "requirements":
                count = len(data["requirements"])
                return {"count": count, "source": data["source"]} if count else None
            case "program_revised":
                self._instructions = len(data["instructions"])
                return {
                    "change": data["change"],
                    "reason": data["reason"],
                    "instructions": self._instructions,
                }
            case "ledger":
                counts = {state: len(data[state]) for state in ("open", "built", "shown")}
                return counts if any(counts.values()) else None
            case "program_gaps":
                return {"gaps": list(data["gaps"])}
            case "program":
                self._instructions = len(data["instructions"])
                return {"instructions": [step["text"][:100] for step in data["instructions"]]}
            case "window":
                self._turn = 0
                self._place = {"instruction": f"{data['instruction'] + 1}/{self._instructions}"}
                return {"attempt": data["attempt"] + 1, "goes": "on"} if data["attempt"] else None
            case "request":
                self._turn += data["purpose"] == "turn"
                self._place = {**self._place, "turn": self._turn} if self._instructions else {}
                return {"purpose": data["purpose"], "tokens": data["estimated_tokens"]}
            case "reply":
                usage = data["usage"]
                return {
                    "tokens": usage["reply_tokens"],
                    "cached": f"{usage['cached_tokens']}/{usage['prompt_tokens']}",
                    "seconds": data["seconds"],
                    **({"finish": data["finish"]} if data["finish"] != "stop" else {}),
                    **({"source": "response cache"} if data.get("cached") else {}),
                }
            case "observation":
                return _action(data)
            case "decision" if data["what"] == "RefuseFinish":
                return {"refuses": "done", "reason": data["reason"]}
            case "candidates":
                return {"tried": len(data["green"]), "green": sum(data["green"]), "took": data["chosen"] + 1}
            case "restored":
                return {
                    name: data[key][:DIGEST_CHARACTERS]
                    for name, key in (("files", "store_digest"), ("instead_of", "instead_of"))
                }
            case "report" | "acceptance" | "floor":
                results = map(read_check_result, data["results"])
                return {result.check: worded(result) for result in results}
            case "instruction_end":
                return {"end": data["end"]} | ({"reason": data["reason"]} if data.get("reason") else {})
            case "unstuck":
                return {"heat": data["heat"]}
            case (
                "server_sizes"
                | "response_cache"
                | "response_cache_fault"
                | "restart"
                | "window_narrowed"
                | "budget_refused"
                | "masked"
                | "stuck"
                | "split_asked"
                | "protocol_stepped_down"
                | "summary_missing"
                | "test_retired"
                | "program_refused"
                | "requirements_refused"
                | "revision_refused"
                | "model_error"
                | "retry"
                | "store_lost"
                | "exported"
            ):
                return {key: value for key, value in data.items() if key not in _NOT_SHOWN}
            case "run_closed":
                self._place = {}
                return {key: value for key, value in data.items() if value != ""}
            case _:
                return None


def _local_time(at: str) -> str:
    """The hour of an event where its reader is."""
    try:
        return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S")
    except (ValueError, TypeError, OverflowError):
        return "?"


def _action(data: Shown) -> Shown:
    arguments = data["arguments"]
    path = {"path": arguments["path"]} if isinstance(arguments.get("path"), str) else {}
    return {"action": data["action"] or "none"} | path | ({} if data["ok"] else {"refused": True})
