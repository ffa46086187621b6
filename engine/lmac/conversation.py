"""One conversation with the processor: a window, the calls made with it, and what they cost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from lmac.budget import Budget, Spent
from lmac.context import ContextWindow, TokenMeter, Turn
from lmac.errors import ContextOverflow, ModelError
from lmac.journal import Journal
from lmac.messages import Message, Observation, Reply, Request, Sampling, Usage
from lmac.processor import Processor
from lmac.processor.actions import ActionProtocol


class BudgetRefused(Exception):
    """The next call would pass a limit of the budget; it was not made."""

    def __init__(self, spent: Spent) -> None:
        super().__init__(spent.value)
        self.spent = spent


class Conversation:
    """Holds the window and the turn that is not in it yet, and makes the calls.

    A reply joins the window together with the answers to it, as one turn, when the next call is made.
    """

    def __init__(
        self,
        processor: Processor,
        protocol: ActionProtocol,
        journal: Journal,
        budget: Budget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processor = processor
        self._protocol = protocol
        self._journal = journal
        self._clock = clock
        self._started = clock()
        self._kept: dict[Message, str] = {}
        self._window = ContextWindow((), limit_tokens=0, reply_tokens=0)
        self._reply: Reply | None = None
        self._observations: list[Observation] = []
        self._notice = ""
        self.budget = budget
        self.meter = TokenMeter()

    def open(self, window: ContextWindow) -> None:
        """Begin anew with this window."""
        self._window = window
        self._kept.clear()
        self._reply = None
        self._observations.clear()
        self._notice = ""

    def speak(self, protocol: ActionProtocol) -> None:
        """Use another form from the next window on."""
        self._protocol = protocol

    def hear(self, observation: Observation) -> None:
        """Note what came of an action of the last reply."""
        self._observations.append(observation)

    def notice(self, text: str) -> None:
        """Add what the control unit has to say to the next message."""
        self._notice = f"{self._notice}\n\n{text}" if self._notice else text

    @property
    def has_notice(self) -> bool:
        """Whether the control unit has something to say with the next call."""
        return bool(self._notice)

    def overflows(self) -> bool:
        """Whether the next call would pass the window's limit."""
        return self._extended().overflows(self.meter)

    def ask(self, sampling: Sampling) -> Reply:
        """Make one call with all that was said since the last one.

        Raises:
            BudgetRefused: a limit of the budget stands in the way.
            ContextOverflow: the request is too long, by the meter or by the server.
            ModelError: no usable reply came.
        """
        window = self._extended()
        reply = self._call(window, sampling, "turn")
        self._window = window
        self._reply = reply
        self._observations.clear()
        self._notice = ""
        return reply

    def summarize(self, question: str, sampling: Sampling) -> str:
        """Ask for a text about this conversation, leaving out its oldest turns if they do not fit.

        Raises:
            BudgetRefused: a limit of the budget stands in the way.
            ContextOverflow: not even the last turn alone leaves room for the text.
            ModelError: no usable reply came.
        """
        self.notice(question)
        # A schema is of actions, and this is none.
        window = replace(self._extended(), reply_tokens=sampling.reply_tokens, json_schema=None)
        window = window.shortened(self.meter)
        return self._call(window, sampling, "summary").text.strip()

    def _extended(self) -> ContextWindow:
        if self._reply is None and not self._notice:
            return self._window
        return self._window.append(self._turn())

    def _turn(self) -> Turn:
        spoken = (self._protocol.spoken(self._reply),) if self._reply is not None else ()
        return spoken + self._protocol.heard(self._observations, self._notice)

    def _call(self, window: ContextWindow, sampling: Sampling, purpose: str) -> Reply:
        request = Request(window.messages, sampling, window.tools, window.json_schema)
        prompt_tokens = window.tokens(self.meter)
        if window.overflows(self.meter):
            raise ContextOverflow(
                f"{prompt_tokens} prompt and {window.reply_tokens} reply tokens do not fit into "
                f"{window.limit_tokens}"
            )
        elapsed = self._clock() - self._started
        if spent := self.budget.refuses(prompt_tokens, sampling.reply_tokens, elapsed):
            raise BudgetRefused(spent)
        self._journal.append(
            "request", purpose=purpose, estimated_tokens=prompt_tokens, **self._named(request)
        )
        self._journal.sync()
        try:
            reply = self._processor.ask(request)
        except ModelError as error:
            self.budget = self.budget.settle(Usage())
            if isinstance(error, ContextOverflow):
                self.meter = self.meter.refused()
            self._journal.append("model_error", error=type(error).__name__, text=error.message)
            raise
        self.budget = self.budget.settle(reply.usage)
        self.meter = self.meter.learn(request.messages, request.tools, reply.usage)
        self._journal_reply(reply)
        return reply

    def _named(self, request: Request) -> dict[str, object]:
        """The request as digests: each message is kept once, however often it is sent."""
        digests = []
        for message in request.messages:
            if message not in self._kept:
                self._kept[message] = self._journal.keep(json.dumps(asdict(message), ensure_ascii=False))
            digests.append(self._kept[message])
        tools = (
            self._journal.keep(json.dumps([asdict(tool) for tool in request.tools])) if request.tools else ""
        )
        named: dict[str, object] = {"messages": digests, "tools": tools, "sampling": asdict(request.sampling)}
        if request.json_schema is not None:
            named["json_schema"] = self._journal.keep(json.dumps(request.json_schema))
        return named

    def _journal_reply(self, reply: Reply) -> None:
        self._journal.append(
            "reply",
            text=self._journal.keep(reply.text),
            calls=[asdict(call) for call in reply.calls],
            finish=reply.finish.value,
            usage=asdict(reply.usage),
            model=reply.model,
            seconds=round(reply.seconds, 3),
        )
        self._journal.sync()
