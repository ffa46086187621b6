"""What a server's "too long" says of sizes, in the words of the servers in use."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS_READ = 2000
"""Characters of a server's words; sizes stand at their beginning."""

_HELD = (
    r"context size \((\d{2,9})",
    r"context length (?:is|of) (?:only )?(\d{2,9})",
    r"context window (?:is|of) (?:only )?(\d{2,9})",
    r"\bn_ctx\W{1,5}(\d{2,9})",
    r"tokens > (\d{2,9}) maximum",
    r"maximum number of tokens allowed \((\d{2,9})",
    r"context limit of (\d{2,9})",
    r"must be <= (\d{2,9})",
)
_SENT = (
    r"request \((\d{2,9}) tokens",
    r"\bn_prompt_tokens\W{1,5}(\d{2,9})",
    r"\((\d{2,9}) in (?:the )?messages",
    r"your messages resulted in (\d{2,9})",
    r"prompt is too long: (\d{2,9})",
    r"input token count \((\d{2,9})",
)
_COMMAS = re.compile(r"(?<=\d),(?=\d{3}\b)")


@dataclass(frozen=True, slots=True)
class ToldSizes:
    """None: not said."""

    context_tokens: int | None = None
    prompt_tokens: int | None = None


def told_sizes(words: str) -> ToldSizes:
    """Read the sizes out of a refusal; 0, 1 and the like are no sizes."""
    plain = _COMMAS.sub("", words[:WORDS_READ].lower())
    return ToldSizes(_first(_HELD, plain), _first(_SENT, plain))


def _first(patterns: tuple[str, ...], words: str) -> int | None:
    for pattern in patterns:
        if match := re.search(pattern, words):
            return int(match[1])
    return None
