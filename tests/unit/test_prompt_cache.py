"""What a server's prompt cache can serve: how much of each request was the beginning of the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, takewhile
from pathlib import Path

import pytest

from lmac.evaluation import Report
from lmac.processor.openai_processor import OpenAIProcessor
from lmac.program import Task
from lmac.transitions import MachineLimits, Outcome
from memory_machine import memory_machine, unsynced
from scripted_server import SUMMARY_TOKENS, Body, Says, ScriptedServer
from strict_requests import reply_limit

PROGRAM = "\n".join(
    f"{number}. Write {name}.py with what the task says of {name}s, and tests for all of it. "
    f"(files: {name}.py, test_{name}.py)"
    for number, name in enumerate(("user", "message", "room"), 1)
)
TASK = Task(
    "Write a chat service as a library of three modules.\n\n"
    + "\n".join(
        f"{number}. A {name} is made of {', '.join(parts)}; what is missing is a ValueError that names it, "
        f"and `{name}.listed()` gives all of them in the order in which they were made."
        for number, (name, parts) in enumerate(
            (
                ("user", ("a name", "an address", "a day of birth", "a picture")),
                ("message", ("a sender", "a text of at most 500 characters", "a time")),
                ("room", ("a title", "an owner", "the users who may write in it", "its messages")),
            ),
            1,
        )
    ),
    "chat",
)


def work(name: str, code: str) -> Says:
    tests = f"import pytest\nfrom {name} import make\n\n\n" + "".join(
        f"def test_{name}_{number}():\n    assert make({number}).number == {number}\n\n\n"
        for number in range(4)
    )
    body = f"class {name.title()}:\n" + "".join(
        f"    def part_{number}(self):\n        return self._parts[{number}]  # {code}\n\n"
        for number in range(8)
    )
    return Says(f"FILE: {name}.py\n```python\n{body}```\n\nFILE: test_{name}.py\n```python\n{tests}```")


SCRIPT = [
    Says(PROGRAM),
    *(
        reply
        for name in ("user", "message", "room")
        for reply in (work(name, "BUG"), work(name, "done"), Says("DONE"))
    ),
]


SUMMARY = "A scripted summary."


def sent(body: Body) -> str:
    """As a chat template lays it out."""
    return "".join(f"<{message['role']}>{message['content']}" for message in body["messages"])


def cached_characters(before: str, body: Body) -> int:
    """The beginning that a request has in common with what the server held before it."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, sent(body), strict=False)))


def no_test_is_weaker(before: Report, after: Report) -> Mapping[str, str]:
    return {}


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[Body]:
    """Of a run of three steps, each red once."""
    folder: Path = tmp_path_factory.mktemp("run")
    with ScriptedServer(SCRIPT, SUMMARY) as server, unsynced(folder) as journal:
        with OpenAIProcessor(
            base_url=server.base_url, api_key=None, model="scripted", call_seconds=30
        ) as processor:
            made = memory_machine(
                processor,
                journal,
                task=TASK,
                limits=MachineLimits(),
                summary_tokens=SUMMARY_TOKENS,
                weakened=no_test_is_weaker,
            )
            assert made.unit.run() is Outcome.COMPLETED
        return server.requests


def test_windows_of_one_run_begin_with_the_same_words(requests: list[Body]) -> None:
    openings = [body for body in requests if len(body["messages"]) == 2][1:]
    assert len(openings) == 3

    for before, body in pairwise(openings):
        own = sent(body).index("What was done so far:")
        assert cached_characters(sent(before), body) >= own


def test_four_fifths_of_what_a_run_sends_is_in_the_cache_already(requests: list[Body]) -> None:
    replies = iter(SCRIPT)
    cached, held = 0, ""
    for body in requests:
        cached += cached_characters(held, body)
        said = SUMMARY if reply_limit(body) == SUMMARY_TOKENS else next(replies).text
        # llama.cpp and vLLM keep what they have just written, too.
        held = f"{sent(body)}<assistant>{said}"

    assert cached / sum(len(sent(body)) for body in requests) >= 0.8
