"""Random conversations: replies, calls, floods, overflows and summaries, against the strict server."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lmac.budget import Budget, BudgetLimits
from lmac.context import ContextWindow
from lmac.conversation import Conversation
from lmac.errors import ContextOverflow, ModelError, ModelSilent
from lmac.messages import Finish, Message, Observation, Reply, Request, Role, Sampling, ToolCall, ToolSpec
from lmac.processor.actions import ActionProtocol, ToolForm
from lmac.processor.fenced import FencedProtocol
from lmac.processor.native import NativeProtocol
from memory_journal import MemoryJournal
from strict_processor import StrictProcessor, Tokenizer

TURNS = 25
"""Calls of one conversation, over all its windows."""
FAMILIES = ("honest", "smaller", "silent about sizes")
"""What the server holds: as said, or less, with or without saying so when it refuses."""

WORDS = (
    "the",
    "module",
    "keeps",
    "a",
    "list",
    "of",
    "items",
    "and",
    "returns",
    "each",
    "value",
    "once",
    "self",
)
READ = ToolForm(
    ToolSpec("read", "show a file", {"type": "object", "properties": {"path": {"type": "string"}}}),
    "READ <path>",
    ("path",),
)
WRITE = ToolForm(
    ToolSpec("write", "write a file", {"type": "object", "properties": {"path": {"type": "string"}}}),
    "FILE: <path>",
    ("path", "content"),
)
FORMS = (READ, WRITE)


@dataclass(slots=True)
class Told:
    """What came of one conversation."""

    family: str
    calls: int = 0
    refused: list[str] = field(default_factory=list)
    """Faults of requests that no server should ever see."""
    too_long: int = 0
    masked: int = 0
    windows: int = 0
    over_limit: int = 0
    """Requests that were longer than what the window's limit allows, by the server's count."""


def converse(seed: int) -> Told:
    """One conversation, made from its seed alone."""
    dice = random.Random(seed)
    return _Run(dice, FAMILIES[seed % len(FAMILIES)]).go()


class _Run:
    def __init__(self, dice: random.Random, family: str) -> None:
        self.dice = dice
        self.told = Told(family)
        self.said_tokens = dice.choice((2000, 4096, 8192, 16_000))
        self.reply_tokens = self.said_tokens // dice.choice((4, 8, 16))
        held = self.said_tokens if family == "honest" else int(self.said_tokens * dice.uniform(0.4, 0.95))
        self.server = StrictProcessor(
            self._answer,
            context_tokens=held,
            tokenizer=Tokenizer(dice.choice((4, 5, 6, 8))),
            reserves_reply=dice.random() < 0.7,
            tells_sizes=family != "silent about sizes",
            tells_usage=dice.random() < 0.9,
        )
        self.protocol: ActionProtocol = dice.choice((FencedProtocol, NativeProtocol))()
        self.system = f"You write. {self._text(60, 600)}"
        self.task = self._text(100, 1000)
        self.journal = MemoryJournal()
        self.conversation = Conversation(self.server, self.protocol, self.journal, Budget(BudgetLimits()))

    def go(self) -> Told:
        self._open("nothing yet")
        fruitless = 0
        while self.told.calls < TURNS and fruitless < 8:
            self.told.calls += 1
            try:
                fruitless = 0 if self._turn() else fruitless + 1
            except ModelSilent:
                continue
        self.told.refused = self.server.refused
        self.told.too_long = self.server.too_long
        self.told.masked = len(self.journal.of_kind("masked"))
        return self.told

    def _open(self, summary: str) -> None:
        self.told.windows += 1
        files = self._text(10, 600)
        user = f"{self.task}\nFiles: {files}\nWhat was done: {summary[:2000]}"
        prefix = (Message(Role.SYSTEM, self.system), Message(Role.USER, user))
        self.conversation.open(
            ContextWindow(prefix, self.said_tokens, self.reply_tokens, tools=self.protocol.specs(FORMS))
        )
        if self.dice.random() < 0.3:
            self.conversation.notice("The checks do not pass yet.")

    def _turn(self) -> bool:
        """Whether a call succeeded."""
        sampling = Sampling(0.2, self.reply_tokens, seed=1)
        overflows = self.conversation.overflows()
        if not overflows and self.dice.random() > 0.04:
            try:
                reply = self.conversation.ask(sampling)
            except ContextOverflow:
                overflows = True
            else:
                self._hear(reply)
                return True
        try:
            summary = self.conversation.summarize("Sum up.", replace(sampling, reply_tokens=200))
        except ContextOverflow:
            self._open("a listing")
            return False
        self._open(summary)
        return not overflows

    def _hear(self, reply: Reply) -> None:
        parsed = self.protocol.parse(reply, FORMS)
        for fault in parsed.faults:
            self.conversation.hear(fault)
        for action in parsed.actions:
            if self.dice.random() < 0.97:
                observation = Observation(self._observed(), ok=True, call_id=action.call_id)
                self.conversation.hear(observation)
        if self.dice.random() < 0.8:
            self.conversation.notice(self._text(5, 800))

    def _observed(self) -> str:
        kind = self.dice.random()
        if kind < 0.03:
            return ""
        if kind < 0.07:
            return self._text(5000, 30_000)
        return "shown.py, lines 1-20:\n" + self._text(10, 4000)

    # The model

    def _answer(self, request: Request) -> Reply | ModelError:
        if self.dice.random() < 0.02:
            return ModelSilent("no answer")
        finish = self.dice.choice((Finish.STOP, Finish.STOP, Finish.LENGTH, Finish.TOOL_CALLS))
        if request.tools and self.dice.random() < 0.8:
            calls = tuple(self._call(number) for number in range(self.dice.choice((1, 1, 2, 4))))
            return Reply(self.dice.choice(("", self._text(5, 300))), finish, calls=calls)
        text = self.dice.choice(
            (
                self._text(5, 6000),
                self._text(5, 1500),
                f"READ {self._word()}.py",
                f"FILE: a.py\n```python\n{self._text(50, 3000)}\n```",
                "",
                "lone \ud800 and \x00",
            )
        )
        return Reply(text, finish)

    def _call(self, number: int) -> ToolCall:
        call_id = self.dice.choice((f"call_{number}", "same", "", f"id-{self.dice.random()}"))
        name = self.dice.choice(("read", "write", "write", "no such tool!", "", "x" * 80, "\ud800"))
        arguments = self.dice.choice(
            (
                json.dumps({"path": "a.py"}),
                json.dumps({"path": "a.py", "content": self._text(10, 3000)}),
                '{"path": "a.py", "content": "cut',
                "[]",
                "",
                "null",
                '{"path": "\\ud800"}',
                "[" * 5000,
            )
        )
        return ToolCall(call_id, name, arguments)

    # Texts

    def _text(self, least: int, most: int) -> str:
        length = self.dice.randint(least, most)
        made: Callable[[], str] = self.dice.choice(
            (self._word, self._word, self._code, self._number, self._sign, self._foreign)
        )
        piece = " ".join(made() for _ in range(40))
        return (piece * (length // max(len(piece), 1) + 1))[:length]

    def _word(self) -> str:
        return self.dice.choice(WORDS)

    def _code(self) -> str:
        return f"    self.{self._word()}[{self._word()!r}] = {self._word()}({self.dice.randint(0, 99)})\n"

    def _number(self) -> str:
        return str(self.dice.randint(0, 10**9))

    def _sign(self) -> str:
        return self.dice.choice(("====", "<untrusted>", "{}", "\n\n", "</untrusted>", "```", "-"))

    def _foreign(self) -> str:
        return self.dice.choice(("größer", "数据", "данные", "\U0001f600", "é" * 5))
