"""What a page says of a run at first sight: its title, its end, its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pydantic import ValidationError

from lmac.messages import Usage
from lmac.models.profile import Prices
from lmac.report.chronicle import CallTold, Chronicle, Light, ReportTold
from lmac.report.chronicle.told import Told
from lmac.report.page.shown_text import brief
from lmac.report.page.words import seconds_between, short_number, span_of_time

TITLE_CHARACTERS = 110
_PURPOSES = {"summary": "summaries", "candidate": "candidates"}


def title(chronicle: Chronicle) -> str:
    """The first line of its task; its id without one."""
    lines = (line.strip().lstrip("#").strip() for line in chronicle.task[:10_000].splitlines())
    return brief(next(filter(None, lines), chronicle.run_id), TITLE_CHARACTERS)


@dataclass(frozen=True, slots=True)
class State:
    """How it ended, at first sight."""

    words: str
    light: Light
    error: str
    next_step: str


def state(chronicle: Chronicle, result: Told) -> State:
    """How it ended, by the user's own suite where there is one."""
    if not chronicle.is_closed:
        return State("not ended", Light.GREY, "", "")
    accepted = [report for report in chronicle.reports if report.kind == "acceptance"]
    words = result.text("outcome") or chronicle.outcome
    light = Light.GREEN if words == "completed" else Light.RED
    if accepted:
        words += ", accepted" if accepted[-1].green else ", not accepted"
        light = light if accepted[-1].green else Light.RED
    return State(words, light, result.text("error") or chronicle.error, result.text("next_step"))


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of the run."""

    name: str
    value: str
    note: str = ""
    light: Light | None = None


def facts(chronicle: Chronicle, result: Told, costs: Sequence[float]) -> list[Fact]:
    """Its figures, in the order in which a reader wants them."""
    calls = chronicle.calls
    completed = sum(step.end == "completed" for step in chronicle.steps)
    prompt, reply = sum(call.prompt_tokens for call in calls), sum(call.reply_tokens for call in calls)
    cached = sum(call.cached_tokens for call in calls)
    facts = []
    if chronicle.steps:
        facts.append(Fact("instructions", f"{completed} of {len(chronicle.steps)}", "completed"))
    lines = result.count("lines")
    facts.append(Fact("files", str(len(chronicle.files)), f"{lines:,} lines" if lines else ""))
    for kind, name in (("report", "checks"), ("acceptance", "acceptance")):
        found = [report for report in chronicle.reports if report.kind == kind]
        if found:
            facts.append(Fact(name, *_said(found[-1]), light=found[-1].light))
    facts.append(Fact("calls", f"{len(calls):,}", _purposes(calls)))
    share = f", {100 * cached // prompt} % cached" if prompt else ""
    facts.append(Fact("tokens", short_number(prompt + reply), f"{short_number(reply)} written{share}"))
    cost = result.number("cost")
    if cost is not None or costs:
        facts.append(
            Fact("cost", f"{cost if cost is not None else costs[-1]:.4g}", "by the profile's prices")
        )
    seconds = result.number("seconds")
    if seconds is None:
        seconds = seconds_between(chronicle.opened_at, chronicle.closed_at)
    if seconds is not None:
        thinking = sum(call.seconds for call in calls)
        facts.append(Fact("time", span_of_time(seconds), f"{span_of_time(thinking)} of it the model's"))
    return facts


def _said(report: ReportTold) -> tuple[str, str]:
    red = [check for check in report.checks if check.light is Light.RED]
    counted = [check.words for check in report.checks if "passed," in check.words]
    told = counted[0].partition("(")[2].rstrip(")") if counted else ""
    if report.green:
        return "green", told
    return "red", told or ", ".join(check.name for check in red)


def _purposes(calls: Iterable[CallTold]) -> str:
    counted = Counter(call.purpose for call in calls)
    told = (
        f"{count} for {_PURPOSES.get(name, name)}" for name, count in counted.most_common() if name != "turn"
    )
    return ", ".join(told)


def costs_so_far(chronicle: Chronicle) -> list[float]:
    """The cost so far after each call; none without prices."""
    try:
        prices = Prices.model_validate(Told(chronicle.profile).raw("prices"))
    except ValidationError:
        return []
    return list(
        accumulate(
            prices.cost(Usage(call.prompt_tokens, call.reply_tokens, call.cached_tokens))
            for call in chronicle.calls
        )
    )
