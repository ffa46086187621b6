"""Whatever a model server does wrong ends in the tree of our errors, in bounded time, with a next step."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import httpx2
import openai
import pytest

from contract.fault_server import FaultServer
from lmac.errors import (
    ConfigError,
    ContextOverflow,
    CreditSpent,
    ModelBusy,
    ModelError,
    ModelFault,
    ModelGarbled,
    ModelSilent,
    ModelUnauthorized,
    ModelUnreachable,
)
from lmac.messages import Finish, Message, Request, Role, Sampling, ToolCall, ToolSpec, Usage
from lmac.processor.failures import RetryPolicy
from lmac.processor.foreign_errors import TRANSLATORS
from lmac.processor.openai_processor import OpenAIProcessor

KEY = "sk-very-secret-0123456789"
REQUEST = Request(
    messages=(Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Greet me.")),
    sampling=Sampling(temperature=0.0, reply_tokens=64, seed=7),
)


class Trial:
    """A processor against one path of the fault server; its waits are noted instead of waited."""

    def __init__(self, base_url: str, call_seconds: float = 10.0, retries: RetryPolicy | None = None) -> None:
        self.waits_seconds: list[float] = []
        self.retried: list[ModelError] = []
        self.processor = OpenAIProcessor(
            base_url=base_url,
            api_key=KEY,
            model="a-model",
            call_seconds=call_seconds,
            retries=retries or RetryPolicy(),
            on_retry=lambda error, wait_seconds: self.retried.append(error),
            sleep=self.waits_seconds.append,
        )


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def trial(server: FaultServer) -> Iterator[Callable[..., Trial]]:
    started: list[Trial] = []

    def start(fault: str, call_seconds: float = 10.0, retries: RetryPolicy | None = None) -> Trial:
        started.append(Trial(server.base_url(fault), call_seconds, retries))
        return started[-1]

    yield start
    for each in started:
        each.processor.close()


def error_of(trial: Trial) -> ModelError:
    with pytest.raises(ModelError) as caught:
        trial.processor.ask(REQUEST)
    return caught.value


def test_a_sound_answer_comes_with_its_usage(trial: Callable[..., Trial], server: FaultServer) -> None:
    reply = trial("none").processor.ask(REQUEST)

    assert (reply.text, reply.finish, reply.model) == ("hello", Finish.STOP, "served-name")
    assert reply.usage == Usage(prompt_tokens=20, reply_tokens=3, cached_tokens=16)
    sent = server.requests[-1][1]
    assert sent == {
        "model": "a-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Greet me."},
        ],
        "temperature": 0.0,
        "max_tokens": 64,
        "seed": 7,
    }
    assert server.authorizations[-1] == f"Bearer {KEY}"


def test_native_calls_travel_both_ways(trial: Callable[..., Trial], server: FaultServer) -> None:
    tool = ToolSpec("read", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})
    call = ToolCall("c1", "read", '{"path": "b.py"}')
    history = (
        *REQUEST.messages,
        Message(Role.ASSISTANT, "", calls=(call,)),
        Message(Role.TOOL, "x = 1", call_id="c1"),
    )
    reply = trial("tools").processor.ask(Request(history, REQUEST.sampling, tools=(tool,)))

    assert reply.finish is Finish.TOOL_CALLS
    assert reply.calls == (ToolCall("c9", "read", '{"path": "a.py"}'),)
    sent = server.requests[-1][1]
    assert sent["tools"][0]["function"]["name"] == "read"
    assert sent["messages"][2]["tool_calls"][0]["id"] == "c1"
    assert sent["messages"][3] == {"role": "tool", "content": "x = 1", "tool_call_id": "c1"}


@pytest.mark.parametrize(
    ("fault", "text", "finish"),
    [
        ("cut_reply", "hello", Finish.LENGTH),
        ("thought_only", "", Finish.LENGTH),
        ("refusal", "I may not.", Finish.FILTERED),
    ],
)
def test_a_reply_that_stops_otherwise_says_so(
    trial: Callable[..., Trial], fault: str, text: str, finish: Finish
) -> None:
    reply = trial(fault).processor.ask(REQUEST)

    assert (reply.text, reply.finish) == (text, finish)


@pytest.mark.parametrize(
    ("fault", "kind", "tries"),
    [
        ("unauthorized", ModelUnauthorized, 1),
        ("forbidden", ModelUnauthorized, 1),
        ("busy", ModelBusy, 5),
        ("busy_for_an_hour", ModelBusy, 1),
        ("no_credit", CreditSpent, 1),
        ("fault", ModelFault, 4),
        ("fault_html", ModelFault, 4),
        ("no_such_model", ModelFault, 1),
        ("bad_request", ModelFault, 1),
        ("redirect", ModelFault, 1),
        ("error_200", ModelFault, 4),
        ("drop", ModelFault, 4),
        ("cut", ModelFault, 4),
        ("overflow_llama", ContextOverflow, 1),
        ("overflow_code", ContextOverflow, 1),
        ("overflow_vllm", ContextOverflow, 1),
        ("overflow_500", ContextOverflow, 1),
        ("overflow_413", ContextOverflow, 1),
        ("overflow_200", ContextOverflow, 1),
        ("minute_allowance", ContextOverflow, 1),
        ("html", ModelGarbled, 2),
        ("half_json", ModelGarbled, 2),
        ("not_utf8", ModelGarbled, 2),
        ("empty", ModelGarbled, 2),
        ("json_list", ModelGarbled, 2),
        ("no_choices", ModelGarbled, 2),
        ("empty_choices", ModelGarbled, 2),
        ("null_choices", ModelGarbled, 2),
        ("null_message", ModelGarbled, 2),
        ("null_content", ModelGarbled, 2),
        ("number_content", ModelGarbled, 2),
        ("deep_json", ModelGarbled, 2),
    ],
)
def test_each_fault_is_its_own_error_after_its_own_number_of_tries(
    trial: Callable[..., Trial], server: FaultServer, fault: str, kind: type[ModelError], tries: int
) -> None:
    before = server.count[fault]
    one = trial(fault)
    error = error_of(one)

    assert type(error) is kind
    assert error.message
    assert error.next_step
    assert server.count[fault] - before == tries
    assert len(one.retried) == len(one.waits_seconds) == tries - 1


def test_trouble_that_passes_ends_in_a_reply(trial: Callable[..., Trial]) -> None:
    one = trial("loading_once")

    assert one.processor.ask(REQUEST).text == "hello"
    assert [type(error) for error in one.retried] == [ModelFault]


def test_the_wait_that_a_busy_server_asks_for_is_kept(trial: Callable[..., Trial]) -> None:
    one = trial("busy_twice")

    assert one.processor.ask(REQUEST).text == "hello"
    assert one.waits_seconds == [7.0, 7.0]


def test_a_wait_longer_than_ours_is_named_and_not_waited(trial: Callable[..., Trial]) -> None:
    error = error_of(trial("busy_for_an_hour"))

    assert isinstance(error, ModelBusy)
    assert error.retry_after_seconds == 3600


def test_waits_without_a_wish_of_the_server_grow(trial: Callable[..., Trial]) -> None:
    one = trial("fault")
    error_of(one)

    assert one.waits_seconds == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("fault", ["hang", "trickle_headers", "trickle_body"])
def test_a_server_that_hangs_or_trickles_ends_at_the_deadline(
    trial: Callable[..., Trial], fault: str
) -> None:
    one = trial(fault, call_seconds=0.6)
    started = time.monotonic()
    error = error_of(one)
    seconds = time.monotonic() - started

    assert type(error) is ModelSilent
    assert len(one.retried) == 1
    assert 1.1 < seconds < 2.5


def test_a_call_given_up_closes_its_connection(trial: Callable[..., Trial], server: FaultServer) -> None:
    one = trial("hang", call_seconds=0.2, retries=RetryPolicy(silent=0))
    for _ in range(12):
        error_of(one)

    # More than a connection pool of ten holds: none is stuck in it.
    one.processor._client.base_url = httpx2.URL(server.base_url("none"))
    assert one.processor.ask(REQUEST).text == "hello"


def test_a_flood_is_cut_off(trial: Callable[..., Trial]) -> None:
    error = error_of(trial("flood", retries=RetryPolicy(garbled=0)))

    assert type(error) is ModelGarbled
    assert "passes" in error.message


def test_a_redirect_is_named_and_not_followed(trial: Callable[..., Trial], server: FaultServer) -> None:
    error = error_of(trial("redirect"))

    assert "/elsewhere/" in error.message
    assert server.count["elsewhere"] == 0


def test_nothing_listening_is_unreachable_with_the_address() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
        one = Trial(address)
        with one.processor:
            error = error_of(one)

    assert type(error) is ModelUnreachable
    assert address in error.message
    assert len(one.retried) == 2


@pytest.mark.parametrize("fault", ["echo_key", "echo_key_late", "echo_key_garbled"])
def test_the_key_is_in_no_text_of_an_error(trial: Callable[..., Trial], fault: str) -> None:
    error = error_of(trial(fault))

    assert "[key]" in error.message
    assert KEY[:8] not in f"{error} {error!r} {error.args} {error.__cause__!r}"


@pytest.mark.parametrize("key", ["sk-line\n", "sk two", "sk-\u2013", '"sk\t"'])
def test_a_key_that_cannot_stand_in_a_header_is_refused_unseen(server: FaultServer, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAIProcessor(base_url=server.base_url("none"), api_key=key, model="m", call_seconds=1)

    assert "sk" not in str(caught.value)


def test_a_server_of_the_users_own_is_not_told_of_an_organization(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    one = Trial(server.base_url("none"))
    with one.processor:
        assert one.processor.ask(REQUEST).text == "hello"
        assert one.processor._client.organization is None


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """As at a terminal: what a shell starts in the background is born deaf to them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
def test_an_interrupt_ends_a_call_at_once(trial: Callable[..., Trial]) -> None:
    one = trial("hang", call_seconds=30)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        one.processor.ask(REQUEST)

    assert time.monotonic() - started < 2


def test_a_closed_processor_can_be_closed_again(trial: Callable[..., Trial]) -> None:
    one = trial("none")
    one.processor.close()
    one.processor.close()


def test_the_client_library_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, lmac.processor.openai_processor; print({'openai', 'httpx2'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.strip() == "set()"


def classes_below(ancestor: type[BaseException]) -> Iterator[type[BaseException]]:
    for child in ancestor.__subclasses__():
        yield child
        yield from classes_below(child)


@pytest.mark.parametrize("root", [openai.OpenAIError, httpx2.HTTPError])
def test_no_error_class_of_the_client_falls_to_a_catch_all(root: type[BaseException]) -> None:
    catch_alls = {"OpenAIError", "APIError", "HTTPError", "RequestError", "TransportError"}
    own = [
        each for each in classes_below(root) if each.__module__.split(".")[0] == root.__module__.split(".")[0]
    ]
    assert len(own) > 10

    def owner(kind: type[BaseException]) -> str:
        return next(each.__name__ for each in kind.__mro__ if each.__name__ in TRANSLATORS)

    assert [each.__name__ for each in own if owner(each) in catch_alls - {each.__name__}] == []
