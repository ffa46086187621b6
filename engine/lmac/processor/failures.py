"""What a failed call means, and whether it is worth another try. Knows no client library."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

from lmac.errors import (
    ContextOverflow,
    CreditSpent,
    FormRefused,
    ModelBusy,
    ModelError,
    ModelFault,
    ModelUnauthorized,
)
from lmac.processor.told_sizes import told_sizes

OVERFLOW_STATUSES = frozenset({400, 422, 500})
"""With 413, which says it by itself."""

OVERFLOW_SIGNS = (
    "context_length_exceeded",
    "exceed_context_size",
    "available context size",
    "context length",
    "context window",
    "context limit",
    "maximum context",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "maximum prompt length",
    "maximum input length",
    "input token count",
    "too many tokens",
    "exceeds the token limit",
    "request too large",
    "request_too_large",
    "reduce the length",
)
"""Lower case; from llama.cpp, vLLM, Ollama and the hosted services."""

SHOWN_CHARACTERS = 300
"""How much of a server's own words a message quotes."""


class Trouble(StrEnum):
    """Kinds of failure, by how often they are worth another try."""

    UNREACHABLE = "unreachable"
    BUSY = "busy"
    FAULT = "fault"
    SILENT = "silent"
    GARBLED = "garbled"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Failure:
    """One call that gave no reply."""

    error: ModelError
    trouble: Trouble
    wait_seconds: float | None = None
    """The server's own wish before the next try."""
    status: int | None = None
    """Of a refusal that names no overflow, key or wait; None of any other failure."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often each kind of trouble is tried again within one `ask`, and after what wait."""

    unreachable: int = 2
    busy: int = 4
    fault: int = 3
    silent: int = 1
    garbled: int = 1
    first_wait_seconds: float = 0.5
    """Doubled at each further try."""
    longest_wait_seconds: float = 60.0
    """A server that asks for a longer wait ends the call at once."""

    def next_wait_seconds(self, failure: Failure, tries: int) -> float | None:
        """The wait before another try, None to give up.

        Args:
            tries: How often this kind of trouble was already tried again in this call.
        """
        if tries >= self._allowed(failure.trouble):
            return None
        if failure.wait_seconds is not None:
            return failure.wait_seconds if failure.wait_seconds <= self.longest_wait_seconds else None
        return float(min(self.first_wait_seconds * 2**tries, self.longest_wait_seconds))

    def _allowed(self, trouble: Trouble) -> int:
        match trouble:
            case Trouble.UNREACHABLE:
                return self.unreachable
            case Trouble.BUSY:
                return self.busy
            case Trouble.FAULT:
                return self.fault
            case Trouble.SILENT:
                return self.silent
            case Trouble.GARBLED:
                return self.garbled
            case Trouble.FINAL:
                return 0
            case _:
                assert_never(trouble)


def refusal(status: int, words: str, code: str, headers: Mapping[str, str]) -> Failure:
    """What an HTTP status other than success means.

    Args:
        words: The server's own explanation, or its raw body.
        code: The machine-readable code and type of the error, "" when it names none.
    """
    said = f"the model server answered {status}: {shortened(words)}"
    wait_seconds = retry_after_seconds(headers)
    match status:
        case 401 | 403:
            step = "check the key in the environment variable that `api_key_env` of the model profile names"
            return Failure(ModelUnauthorized(said, step), Trouble.FINAL)
        case 413:
            return overflow(said, f"{code} {words}")
        case _ if status in OVERFLOW_STATUSES and is_overflow(f"{code} {words}"):
            return overflow(said, f"{code} {words}")
        case 429 if "request too large" in words.lower():
            # Larger than a whole minute's allowance: waiting does not help, a smaller window does.
            return overflow(said, f"{code} {words}")
        case 429 if "insufficient_quota" in code:
            step = "the account has no credit left: waiting does not help"
            return Failure(CreditSpent(said, step, wait_seconds), Trouble.FINAL)
        case 429:
            step = "wait and run again, or use a profile of another server"
            return Failure(ModelBusy(said, step, wait_seconds), Trouble.BUSY, wait_seconds)
        case 404 | 405:
            step = "check `base_url` (it usually ends in /v1) and `model` of the model profile"
            return Failure(ModelFault(said, step), Trouble.FINAL, status=status)
        case _ if 300 <= status < 400:
            # Following would hand the key and the window to an address that the user never named.
            where = shortened(headers.get("location", "nowhere"))
            step = "if that is the right place, make it the profile's `base_url`"
            return Failure(
                ModelFault(f"the model server redirects ({status}) to {where}", step), Trouble.FINAL
            )
        case _ if status >= 500 or status in (408, 409, 425):
            step = "look at the server's log, or run again later"
            return Failure(ModelFault(said, step), Trouble.FAULT, wait_seconds, status)
        case _:
            step = (
                "check `model` and the sampling values of the model profile against what the server accepts"
            )
            return Failure(ModelFault(said, step), Trouble.FINAL, status=status)


FORM_SIGNS = ("tool", "function", "response_format", "json_schema", "schema", "grammar", "jinja")
"""Lower case; how servers name what they do not take of a request's form."""

OTHER_SIGNS = ("temperature", "max_tokens", "max_completion_tokens", "seed", "top_p", "model_not_found")
"""Lower case; a refusal that names one of them is about that."""


def about_form(failure: Failure) -> Failure:
    """What the failure of a request with tools or a schema means: perhaps the server takes none.

    Some say so with 400 or 422, one with 404, and llama.cpp without its templates with 500.
    """
    words = failure.error.message.lower()
    named = any(sign in words for sign in FORM_SIGNS)
    unnamed = failure.status in (400, 422) and not any(sign in words for sign in OTHER_SIGNS)
    if failure.status is None or not (named or unnamed):
        return failure
    step = "leave `native` and `json` out of the profile's `protocols`, and `json_schema` too"
    return Failure(FormRefused(failure.error.message, step), Trouble.FINAL, status=failure.status)


def overflow(said: str, words: str = "") -> Failure:
    """The request is too long; the server's own words may say by how much."""
    step = "give the profile the server's true `context_tokens`"
    sizes = told_sizes(words)
    error = ContextOverflow(said, step, sizes.context_tokens, sizes.prompt_tokens)
    return Failure(error, Trouble.FINAL)


def is_overflow(words: str) -> bool:
    """Whether a server's error says that the request is longer than its window."""
    lower = words.lower()
    return any(sign in lower for sign in OVERFLOW_SIGNS)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The wait that the headers ask for, as seconds or as a date; None when absent or senseless."""
    asked = headers.get("retry-after", "").strip()
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = (email.utils.parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def shortened(words: str) -> str:
    """One line of a server's words, cut and with control characters escaped."""
    line = " ".join(words.split())
    cut = line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]} …"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut)
