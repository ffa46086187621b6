"""Where a run stands, on a terminal, redrawn as its events come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lmac.evaluation import Verdict
from lmac.journal import Event, Listener
from lmac.messages import Usage
from lmac.models.profile import Prices
from lmac.printable import printable
from lmac.report.chronicle.told import Told

STYLES: Mapping[str, str] = {Verdict.PASSED.value: "green", Verdict.NOT_APPLICABLE.value: "dim"}
MOST_CHARACTERS = 100


@dataclass(slots=True)
class Standing:
    """What the display shows, as far as the events have told it."""

    run_id: str
    model: str = ""
    started_at: str = ""
    doing: str = "starting"
    instruction: int = 0
    instructions: int = 0
    text: str = ""
    attempt: int = 0
    turn: int = 0
    action: str = ""
    checks: tuple[tuple[str, str], ...] = ()
    usage: Usage = Usage()
    prices: Prices | None = None
    texts: tuple[str, ...] = ()
    outcome: str = ""

    def take(self, event: Event) -> None:
        """Move on by one event."""
        told = Told(event.data)
        match event.kind:
            case "run_opened":
                self.started_at, self.model = event.at, told.inner("profile").text("name")
                try:
                    self.prices = Prices.model_validate(told.inner("profile").raw("prices"))
                except ValidationError:
                    self.prices = None
            case "program" | "program_revised":
                self.texts = tuple(step.text("text") for step in told.inners("instructions"))
                self.instructions = len(self.texts)
            case "window":
                self.instruction, self.attempt, self.turn = (
                    told.count("instruction"),
                    told.count("attempt"),
                    0,
                )
                self.text = self.texts[self.instruction] if self.instruction < self.instructions else ""
            case "request":
                self.turn += told.text("purpose") == "turn"
                self.doing = f"the model writes ({told.text('purpose')})"
            case "reply":
                usage = told.inner("usage")
                self.usage += Usage(
                    usage.count("prompt_tokens"), usage.count("reply_tokens"), usage.count("cached_tokens")
                )
                self.doing = "carrying out"
            case "observation":
                path = told.inner("arguments").text("path")
                refused = "" if told.flag("ok") else ", refused"
                self.action = f"{told.text('action') or 'unreadable'} {path}{refused}"
                self.doing = "carrying out"
            case "report" | "acceptance" | "floor":
                self.checks = tuple(
                    (one.text("check"), one.text("verdict")) for one in told.inners("results")
                )
            case "run_closed":
                self.outcome = self.doing = told.text("outcome")
            case kind:
                self.doing = kind.replace("_", " ") if kind != "decision" else self.doing

    def drawn(self) -> Table:
        """As rows of a name and a value."""
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="dim", no_wrap=True)
        table.add_column()
        table.add_row("run", _plain(f"{self.run_id}  {self.model}"))
        if self.instructions:
            again = f", attempt {self.attempt + 1}" if self.attempt else ""
            place = f"{self.instruction + 1} of {self.instructions}{again}, turn {self.turn}"
            table.add_row("instruction", Group(_plain(place), _plain(self.text)))
        table.add_row("now", _plain(self.doing))
        if self.action:
            table.add_row("last action", _plain(self.action))
        if self.checks:
            checks = Text()
            for name, verdict in self.checks:
                checks.append(f"{_shown(name)} {_shown(verdict)}  ", style=STYLES.get(verdict, "red"))
            table.add_row("checks", checks)
        table.add_row("tokens", _plain(self._tokens()))
        table.add_row("time", _plain(_since(self.started_at)))
        return table

    def _tokens(self) -> str:
        usage = self.usage
        share = (
            f", {100 * usage.cached_tokens // usage.prompt_tokens} % cached" if usage.prompt_tokens else ""
        )
        cost = f", cost {self.prices.cost(usage):.4g}" if self.prices else ""
        return f"{usage.prompt_tokens:,} prompt{share}, {usage.reply_tokens:,} reply{cost}"


@contextmanager
def live_display(run_id: str) -> Iterator[Listener]:
    """A display that every event moves on; time goes on by itself."""
    standing = Standing(run_id)
    with Live(get_renderable=standing.drawn, refresh_per_second=4, transient=True):
        yield standing.take


def _plain(text: str) -> Text:
    return Text(_shown(text), no_wrap=True, overflow="ellipsis")


def _shown(text: str) -> str:
    return printable(" ".join(text[: 4 * MOST_CHARACTERS].split()))[:MOST_CHARACTERS]


def _since(at: str) -> str:
    try:
        seconds = max(int((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()), 0)
    except (ValueError, TypeError):
        return "?"
    return f"{seconds // 60} min {seconds % 60} s"
