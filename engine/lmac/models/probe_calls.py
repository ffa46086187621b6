"""The calls of a probe: short, counted, and under a hard limit."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from lmac.errors import ModelError, ModelSilent
from lmac.messages import Message, Reply, Request, Role, Sampling, Usage
from lmac.models.profile import ReplyLimitParameter
from lmac.processor.failures import RetryPolicy
from lmac.processor.openai_processor import OpenAIProcessor

MOST_CALLS = 18
"""Further tries included."""
MOST_CALL_SECONDS = 120.0
"""Of one call, whatever the profile allows a run's: a reply of a few words takes no longer."""
RETRIES = RetryPolicy(unreachable=1, busy=1, fault=0, silent=0, garbled=0)
"""What a server refuses or garbles is what a probe wants to see, once."""
MOST_COUNTED_TOKENS = 1_000_000_000
"""Of one call: a larger count is no count."""


class OutOfCalls(Exception):
    """A probe may make no further call."""


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """Where a model is asked."""

    base_url: str | None
    model: str
    api_key: str | None = field(default=None, repr=False)
    call_seconds: float = MOST_CALL_SECONDS


@dataclass(frozen=True, slots=True)
class Manner:
    """How a server takes requests."""

    parameter: ReplyLimitParameter
    temperature: float
    thinking_tokens: int = 0
    """What a reply may have beyond its words: a model that reasons spends them first."""


class ProbeCalls:
    """Owned by a `with` block.

    Args:
        server_options: Of the profile; sent with each request, as a run sends them.
    """

    def __init__(self, address: ModelAddress, server_options: dict[str, Any]) -> None:
        self._address = address
        self._server_options = server_options
        self._processors: dict[ReplyLimitParameter, OpenAIProcessor] = {}
        self._stack = ExitStack()
        self.made = 0
        self.usage = Usage()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def base_url(self) -> str:
        """Where the requests go."""
        return self._processor(ReplyLimitParameter.MAX_TOKENS).base_url

    def fetch(self, address: str) -> bytes | None:
        """What the server has at an address; no call of the model.

        Raises:
            ModelError: no server answers.
        """
        return self._processor(ReplyLimitParameter.MAX_TOKENS).fetch(address)

    def ask(
        self, text: str, manner: Manner, reply_tokens: int, seed: int | None = None, **form: Any
    ) -> Reply:
        """One short reply.

        Args:
            form: Further fields of the `Request`.

        Raises:
            OutOfCalls: the limit is reached.
            ModelError: no reply came.
        """
        self._count()
        tokens = reply_tokens + manner.thinking_tokens
        sampling = Sampling(manner.temperature, tokens, seed, self._server_options)
        try:
            reply = self._processor(manner.parameter).ask(
                Request((Message(Role.USER, text),), sampling, **form)
            )
        except ModelSilent as error:
            seconds = self._address.call_seconds
            error.message = f"the model server took a short request and gave no answer within {seconds:g} s"
            error.next_step = "look at the server's log; a model that is still loading needs a second try"
            raise
        reply = replace(reply, usage=_believable(reply.usage))
        self.usage += reply.usage
        return reply

    def _processor(self, parameter: ReplyLimitParameter) -> OpenAIProcessor:
        if parameter not in self._processors:
            self._processors[parameter] = self._stack.enter_context(
                OpenAIProcessor(
                    base_url=self._address.base_url,
                    api_key=self._address.api_key,
                    model=self._address.model,
                    call_seconds=self._address.call_seconds,
                    retries=RETRIES,
                    reply_limit_parameter=parameter,
                    on_retry=self._count_further_try,
                )
            )
        return self._processors[parameter]

    def _count(self) -> None:
        if self.made >= MOST_CALLS:
            raise OutOfCalls
        self.made += 1

    def _count_further_try(self, _error: ModelError, _wait_seconds: float) -> None:
        self._count()


def _believable(usage: Usage) -> Usage:
    counts = (usage.prompt_tokens, usage.reply_tokens, usage.cached_tokens)
    return Usage(*(min(max(count, 0), MOST_COUNTED_TOKENS) for count in counts))
