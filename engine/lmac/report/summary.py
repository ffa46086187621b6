"""A run's result in words, for a terminal."""

from __future__ import annotations

import shlex
from pathlib import Path

from lmac.evaluation import Report
from lmac.evaluation.wording import worded
from lmac.printable import printable
from lmac.program.ledger import LedgerEntry, RequirementState, in_short
from lmac.report.result import RunResult
from lmac.transitions import MachineKind

SLOW_SECONDS = 0.5
SLOWEST = 3
LEFT_OUT_SHOWN = 5
SHOWN_BY = 3
"""Checks that a line of the ledger names."""


def render_summary(result: RunResult) -> str:
    """Outcome first, then what was delivered, what it cost, and where to look."""
    baseline = result.machine is not MachineKind.CONTROL_UNIT
    rows = [
        ("outcome", _outcome(result)),
        *([("machine", f"{result.machine.value}, a baseline")] if baseline else []),
        *([("error", result.error)] if result.error else []),
        *([("next", result.next_step)] if result.next_step else []),
        ("instructions", f"{result.instructions_completed} of {result.instructions} completed"),
        *([("started from", result.started_from)] if result.started_from else []),
        *([("left out", _left_out(result))] if result.left_out else []),
        *([("requirements", _requirements(result.requirements))] if result.requirements else []),
        ("files", f"{result.files} with {result.lines} lines"),
        ("checks", _checks(result.checks)),
        *([("slowest", slowest)] if (slowest := _slowest(result.checks)) else []),
        ("acceptance", _checks(result.acceptance) if result.acceptance else "no suite was judged"),
        ("tokens", _tokens(result)),
        *([("cost", f"{result.cost:.4g} by the profile's prices")] if result.cost is not None else []),
        ("time", _time(result.seconds)),
        ("look at", _places(result)),
    ]
    if baseline:
        rows = [row for row in rows if row[0] != "instructions"]
    return "\n".join(f"{name:>12}  {_indented(text)}" for name, text in rows)


def _time(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s"


def _requirements(entries: tuple[LedgerEntry, ...]) -> str:
    """How many are built and shown; the open ones by number."""
    short = in_short(entries)
    built, shown, still = (
        short[state] for state in (RequirementState.BUILT, RequirementState.SHOWN, RequirementState.OPEN)
    )
    left = f"; open: {', '.join(map(str, still))}" if still else ""
    return f"{len(built) + len(shown)} of {len(entries)} built, {len(shown)} of them shown by checks{left}"


def render_ledger(entries: tuple[LedgerEntry, ...]) -> str:
    """A line for each requirement, with what shows it; "" when there is none."""
    lines = []
    for entry in entries:
        shown = f" by {', '.join(entry.shown_by[:SHOWN_BY])}" if entry.shown_by else ""
        more = len(entry.shown_by) - SHOWN_BY
        shown += f" and {more} more" if more > 0 else ""
        steps = f"; step {', '.join(map(str, entry.instructions))}" if entry.instructions else ""
        lines.append(
            printable(f"requirement {entry.number} [{entry.state.value}{shown}{steps}] {entry.text}")
        )
    return "\n".join(lines)


def _indented(text: str) -> str:
    """Errors quote servers and programs: no line of theirs may look like a row."""
    return printable(text, keep_newlines=True).replace("\n", "\n" + " " * 14)


def _places(result: RunResult) -> str:
    files = Path(result.folder) / "files"
    delivered = f"{files}, " if result.files or files.is_dir() else ""
    return f"{delivered}{result.folder}/report.json, `lmac show {shlex.quote(result.folder)}`"


def _outcome(result: RunResult) -> str:
    verdict = "accepted" if result.exit_code == 0 and result.acceptance else ""
    if result.acceptance is not None and not result.acceptance.green:
        verdict = "not accepted"
    return f"{result.outcome.value}{', ' if verdict else ''}{verdict} (exit code {int(result.exit_code)})"


def _left_out(result: RunResult) -> str:
    """What of the folder did not enter the store, the first of it by name."""
    shown = "\n".join(f"{path}: {reason}" for path, reason in result.left_out[:LEFT_OUT_SHOWN])
    more = len(result.left_out) - LEFT_OUT_SHOWN
    return f"{shown}\nand {more} more, all in report.json" if more > 0 else shown


def _checks(report: Report | None) -> str:
    if report is None:
        return "the delivered files were not judged"
    return "; ".join(f"{result.check} {worded(result)}" for result in report.results)


def _slowest(report: Report | None) -> str:
    """The tests that a reader may want to hurry; "" when none takes long."""
    tests = [test for result in report.results for test in result.tests] if report else []
    slow = sorted((test for test in tests if test.seconds >= SLOW_SECONDS), key=lambda test: -test.seconds)
    return ", ".join(f"{test.id} {test.seconds:.1f} s" for test in slow[:SLOWEST])


def _tokens(result: RunResult) -> str:
    usage = result.usage
    share = f", {result.cached_share:.0%} cached" if usage.prompt_tokens else ""
    assumed = f", about {result.assumed_tokens} in failed calls" if result.assumed_tokens else ""
    calls = f"{result.calls} calls"
    if result.cached_replies:
        calls += f", {result.cached_replies} of them answered by the response cache"
    return f"{usage.prompt_tokens} prompt{share}, {usage.reply_tokens} reply{assumed}, in {calls}"
