"""Calls of the processor: each journalled before and after, and settled with the budget, however it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from lmac.budget import Budget, Refusal
from lmac.context import ContextWindow, Size, TokenMeter, size_of
from lmac.errors import ContextOverflow, ModelBusy, ModelError, ModelUnauthorized, ModelUnreachable
from lmac.journal import Journal
from lmac.messages import Message, Reply, Request, Role, Sampling, Usage, sound_text
from lmac.processor import Processor
from lmac.recording.calls import error_fields, reply_fields
from lmac.request_log import RequestLog

NAME_CHARACTERS = 64
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
"""In a tool's name; a model that makes one up may put anything into it."""

UNWORKED = (ModelUnreachable, ModelUnauthorized, ModelBusy, ContextOverflow)
"""Failures after which no server has read a prompt; any other may have cost its tokens."""


class BudgetRefused(Exception):
    """The next call would pass a limit of the budget; it was not made."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.spent.value} of the {refusal.scope.value}")
        self.spent = refusal.spent
        self.scope = refusal.scope


class Calls:
    """Makes them, and knows what they cost."""

    def __init__(
        self,
        processor: Processor,
        journal: Journal,
        budget: Budget,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._processor = processor
        self._journal = journal
        self._requests = RequestLog(journal)
        self._clock = clock or (lambda: journal.elapsed_seconds)
        self._started = self._clock()
        self._call_ids: set[str] = set()
        self._prompt_tokens = 0
        self._reply_tokens = 0
        self.budget = budget
        self.refusal: Refusal | None = None
        """The last call that a limit of the budget stood in the way of."""
        self.cached_replies = 0
        """Calls that a response cache answered: they count as calls, and cost nothing."""
        self.meter = TokenMeter()
        processor.watch_retries(self._count_retry)

    def begin_window(self) -> None:
        """From here on ids of native calls may be what they were in an earlier window."""
        self._call_ids.clear()

    def begin_instruction(self, part: float) -> None:
        """From here on calls count against a fresh budget of an instruction, too."""
        self.budget = self.budget.begin_instruction(self._elapsed(), part)

    def affords(self, calls: int, window: ContextWindow) -> bool:
        """Whether the budget has room for so many calls like one with this window."""
        return self.budget.affords(calls, window.tokens(self.meter), window.reply_tokens, self._elapsed())

    def make(self, window: ContextWindow, sampling: Sampling, purpose: str) -> Reply:
        """Send a window that fits.

        Raises:
            BudgetRefused: a limit of the budget stands in the way.
            ContextOverflow: the server calls it too long.
            ModelError: no usable reply came.
        """
        reply_tokens = min(sampling.reply_tokens, window.reply_tokens)
        sampling = replace(sampling, reply_tokens=reply_tokens)
        request = Request(window.messages, sampling, window.tools, window.json_schema)
        prompt_tokens = window.tokens(self.meter)
        self._demand_budget(prompt_tokens, reply_tokens, 0.0)
        self._requests.write(request, purpose, prompt_tokens)
        # What is asked follows from what is on disk; that it was asked does not.
        self._journal.sync_events()
        self._prompt_tokens, self._reply_tokens = prompt_tokens, reply_tokens
        try:
            reply = self._distinct(self._processor.ask(request))
        except ModelError as error:
            self._settle_failure(error)
            self._journal.append("model_error", **error_fields(error))
            raise
        self._settle(reply)
        self.meter = self.meter.learn(window.size, reply.usage, opening=not window.turns)
        self._journal_reply(reply)
        return reply

    @property
    def affords_another(self) -> bool:
        """Whether one more call like the last leaves the budget a turn that answers the reply taken."""
        prompt_tokens, reply_tokens = self._prompt_tokens, self._reply_tokens
        later = self.budget.settle(Usage(prompt_tokens, reply_tokens))
        return later.refuses(prompt_tokens + reply_tokens, reply_tokens, self._elapsed()) is None

    def _distinct(self, reply: Reply) -> Reply:
        """With an id for each call that is the window's only one, and a name that servers take back."""
        calls = []
        for call in reply.calls:
            call_id = told = sound_text(call.call_id) or "call"
            number = 1
            while call_id in self._call_ids:
                number += 1
                call_id = f"{told}_{number}"
            self._call_ids.add(call_id)
            name = _UNFIT.sub("_", call.name)[:NAME_CHARACTERS] or "unknown"
            calls.append(replace(call, call_id=call_id, name=name))
        return replace(reply, calls=tuple(calls))

    def _journal_reply(self, reply: Reply) -> None:
        self._journal.append("reply", **reply_fields(reply, self._journal.keep))
        self._journal.sync()

    def _elapsed(self) -> float:
        return self._clock() - self._started

    def _demand_budget(self, prompt_tokens: int, reply_tokens: int, wait_seconds: float) -> None:
        refusal = self.budget.refuses(prompt_tokens, reply_tokens, self._elapsed() + wait_seconds)
        if refusal is not None:
            self.refusal = refusal
            self._journal.append("budget_refused", spent=refusal.spent.value, scope=refusal.scope.value)
            raise BudgetRefused(refusal)

    def _count_retry(self, error: ModelError, wait_seconds: float) -> None:
        """A try of the call at hand failed and another one is due: a call of its own, if it may be made."""
        self._settle_failure(error)
        self._demand_budget(self._prompt_tokens, self._reply_tokens, wait_seconds)

    def _settle(self, reply: Reply) -> None:
        if reply.cached:
            self.cached_replies += 1
            self.budget = self.budget.settle(Usage())
            return
        assumed_tokens = 0
        if not reply.usage.total_tokens:
            assumed_tokens = self._prompt_tokens + self.meter.tokens(_reply_size(reply))
        self.budget = self.budget.settle(reply.usage, assumed_tokens)

    def _settle_failure(self, error: ModelError) -> None:
        self.budget = self.budget.settle(Usage(), 0 if isinstance(error, UNWORKED) else self._prompt_tokens)


def _reply_size(reply: Reply) -> Size:
    return size_of((Message(Role.ASSISTANT, reply.text, reply.calls),))
