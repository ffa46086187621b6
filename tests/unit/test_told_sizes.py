"""The sizes in a server's "too long", in the words of the servers in use."""

from __future__ import annotations

import pytest

from lmac.errors import ContextOverflow
from lmac.processor.failures import refusal
from lmac.processor.told_sizes import ToldSizes, told_sizes


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        (
            "request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it",
            ToldSizes(8192, 9001),
        ),
        ("exceed_context_size_error n_ctx: 4096 n_prompt_tokens: 5000", ToldSizes(4096, 5000)),
        (
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens "
            "(4000 in the messages, 1000 in the completion).",
            ToldSizes(4096, 4000),
        ),
        (
            "This model's maximum context length is 128,000 tokens. However, your messages resulted in "
            "130,512 tokens.",
            ToldSizes(128_000, 130_512),
        ),
        ("prompt is too long: 210000 tokens > 200000 maximum", ToldSizes(200_000, 210_000)),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            ToldSizes(1_048_576, 1_200_000),
        ),
        ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000", ToldSizes(4096, None)),
        ("prompt is too long", ToldSizes()),
        ("", ToldSizes()),
    ],
)
def test_sizes_are_read_out_of_the_words(words: str, sizes: ToldSizes) -> None:
    assert told_sizes(words) == sizes


def test_an_overflow_carries_them() -> None:
    said = "request (900 tokens) exceeds the available context size (800 tokens)"
    error = refusal(400, said, "", {}).error

    assert isinstance(error, ContextOverflow)
    assert (error.context_tokens, error.prompt_tokens) == (800, 900)


def test_a_flood_costs_no_more_than_its_beginning() -> None:
    assert told_sizes("1" * 10**7) == ToldSizes()
    assert told_sizes("context size (" * 10**6) == ToldSizes()
