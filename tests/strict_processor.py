"""A processor in this process that refuses what real servers refuse, and counts and caches as they do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import is_

from lmac.errors import ModelError
from lmac.messages import Finish, Message, Reply, Request, Usage
from lmac.processor import Processor, RetryWatcher
from lmac.processor.completion import request_messages, request_tools
from lmac.processor.failures import refusal
from strict_requests import Body, request_fault, too_long, too_long_with_reply

TEMPLATE_TOKENS = 5
"""Around each message."""

Answer = Callable[[Request], Reply | ModelError]
"""What the model says; an error is raised in its place."""


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Counts as byte-pair tokenizers do: words in pieces, digits one by one, other scripts dearly."""

    letters: int = 4
    """Longest piece of a word; real ones are longer."""

    def count(self, text: str) -> int:
        return _pieces(text, self.letters)


@lru_cache(maxsize=4096)
def _pieces(text: str, letters: int) -> int:
    pattern = rf" ?[A-Za-z]{{1,{letters}}}|[0-9]|[ \t]{{1,8}}|\n+|[!-/:-@\[-`{{-~]{{1,2}}|[^\x00-\x7f]"
    found = re.findall(pattern, text)
    # A character beyond ASCII takes a token or two.
    return len(found) + sum(len(piece.encode("utf-8", "replace")) > 3 for piece in found if piece > "\x7f")


@dataclass(slots=True)
class StrictProcessor(Processor):
    """Gives `answer`'s replies to requests without fault, with this server's own count of their tokens.

    A reply is cut at the request's limit. Usage that `answer` gives is kept.
    """

    answer: Answer
    context_tokens: int = 1_000_000
    tokenizer: Tokenizer = Tokenizer()
    reserves_reply: bool = True
    """Whether prompt and longest reply together must fit, as vLLM has it."""
    tells_sizes: bool = True
    """Whether "too long" says by how much."""
    tells_usage: bool = True
    requests: int = 0
    refused: list[str] = field(default_factory=list)
    """Faults, but for those that are too long."""
    too_long: int = 0
    usage: Usage = Usage()
    """Of all replies together."""
    _cached: tuple[Message, ...] = ()

    def ask(self, request: Request) -> Reply:
        self.requests += 1
        if fault := request_fault(body_of(request)):
            self.refused.append(fault)
            raise refusal(400, fault, "invalid_request_error", {}).error
        prompt_tokens = self.prompt_tokens(request)
        wanted = prompt_tokens + (request.sampling.reply_tokens if self.reserves_reply else 0)
        if wanted > self.context_tokens:
            self.too_long += 1
            raise refusal(400, self._too_long(request, prompt_tokens), "", {}).error
        reply = self.answer(request)
        if isinstance(reply, ModelError):
            raise reply
        return self._settled(request, reply, prompt_tokens)

    def watch_retries(self, watcher: RetryWatcher) -> None:
        """Nothing is tried again here."""

    def prompt_tokens(self, request: Request) -> int:
        """As this server counts."""
        return sum(map(self._tokens, request.messages)) + sum(
            self.tokenizer.count(f"{tool.name}{tool.description}{tool.parameters}") for tool in request.tools
        )

    def _tokens(self, message: Message) -> int:
        called = sum(self.tokenizer.count(call.name + call.arguments_json) for call in message.calls)
        return TEMPLATE_TOKENS + self.tokenizer.count(message.text) + called

    def _too_long(self, request: Request, prompt_tokens: int) -> str:
        if not self.tells_sizes:
            return "prompt is too long"
        if self.reserves_reply:
            return too_long_with_reply(prompt_tokens, request.sampling.reply_tokens, self.context_tokens)
        return too_long(prompt_tokens, self.context_tokens)

    def _settled(self, request: Request, reply: Reply, prompt_tokens: int) -> Reply:
        reply = self._cut(reply, request.sampling.reply_tokens)
        if self.tells_usage and not reply.usage.total_tokens:
            common = list(_common(self._cached, request.messages))
            cached = sum(map(self._tokens, common))
            usage = Usage(prompt_tokens, self._written(reply), cached)
            reply = replace(reply, usage=usage)
        self._cached = request.messages
        self.usage += reply.usage
        return reply

    def _written(self, reply: Reply) -> int:
        called = sum(self.tokenizer.count(call.name + call.arguments_json) for call in reply.calls)
        return self.tokenizer.count(reply.text) + called

    def _cut(self, reply: Reply, most_tokens: int) -> Reply:
        """At the limit, in the midst of a word or of a call's arguments."""
        written = self._written(reply)
        if written <= most_tokens:
            return reply
        share = most_tokens / written / 2
        calls = tuple(
            replace(call, arguments_json=call.arguments_json[: int(len(call.arguments_json) * share)])
            for call in reply.calls
        )
        text = reply.text[: int(len(reply.text) * share)]
        return replace(reply, text=text, calls=calls, finish=Finish.LENGTH)


def _common(before: tuple[Message, ...], now: tuple[Message, ...]) -> Iterator[Message]:
    for one, other in zip(before, now, strict=False):
        if not is_(one, other) and one != other:
            return
        yield other


def body_of(request: Request) -> Body:
    """The request as it goes over the wire."""
    body: Body = {
        "model": "strict",
        "messages": request_messages(request),
        "temperature": request.sampling.temperature,
        "max_tokens": request.sampling.reply_tokens,
    }
    return body | ({"tools": request_tools(request)} if request.tools else {})
