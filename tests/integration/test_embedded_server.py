"""The embedded server with real weights, asked by the real client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import httpx2
import pytest

from lmac.errors import ContextOverflow, ModelFault, ModelUnauthorized, ModelUnreachable, WeightsError
from lmac.messages import Finish, Message, Request, Role, Sampling
from lmac.models.server import EmbeddedServer
from lmac.processor.failures import RetryPolicy
from lmac.processor.openai_processor import OpenAIProcessor

pytestmark = pytest.mark.model

CONTEXT_TOKENS = 512
SYSTEM = Message(Role.SYSTEM, "You are a careful programmer. " + "Keep names short and functions small. " * 6)


def server_of(weights: Path, folder: Path) -> EmbeddedServer:
    return EmbeddedServer(
        weights,
        model="small",
        context_tokens=CONTEXT_TOKENS,
        log_path=folder / "server.log",
        prompt_cache_bytes=64 * 1024 * 1024,
    )


def processor_of(server: EmbeddedServer, api_key: str | None = None) -> OpenAIProcessor:
    return OpenAIProcessor(
        base_url=server.base_url,
        api_key=api_key or server.api_key,
        model=server.model,
        call_seconds=60,
        retries=RetryPolicy(unreachable=0, fault=0),
    )


def request(text: str, reply_tokens: int = 12) -> Request:
    return Request((SYSTEM, Message(Role.USER, text)), Sampling(0.0, reply_tokens, seed=1))


@pytest.fixture(scope="module")
def server(small_model_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with server_of(small_model_weights, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def processor(server: EmbeddedServer) -> Iterator[OpenAIProcessor]:
    with processor_of(server) as asking:
        yield asking


def test_a_reply_comes_with_the_servers_own_count_of_tokens(processor: OpenAIProcessor) -> None:
    reply = processor.ask(request("Name a sorting algorithm."))

    assert reply.text
    assert reply.model == "small"
    assert reply.usage.prompt_tokens > 40
    assert 0 < reply.usage.reply_tokens <= 12
    assert reply.seconds > 0


def test_the_same_request_again_comes_from_the_cache(processor: OpenAIProcessor) -> None:
    processor.ask(request("Name a data structure."))
    usage = processor.ask(request("Name a data structure.")).usage

    assert usage.cached_tokens >= usage.prompt_tokens - 1


def test_coming_back_to_a_window_that_was_left_is_not_paid_for_again(processor: OpenAIProcessor) -> None:
    long_ago = request("Explain what a queue is. " * 8, reply_tokens=4)
    processor.ask(long_ago)
    elsewhere = Request((Message(Role.USER, "List three colours. " * 20),), Sampling(0.0, 4))
    processor.ask(elsewhere)

    usage = processor.ask(long_ago).usage

    assert usage.cached_tokens >= usage.prompt_tokens - 1


def test_a_reply_cut_at_its_limit_says_so(processor: OpenAIProcessor) -> None:
    assert processor.ask(request("Count to one hundred.", reply_tokens=3)).finish is Finish.LENGTH


def test_a_request_longer_than_the_context_is_an_overflow_and_the_server_goes_on(
    processor: OpenAIProcessor,
) -> None:
    with pytest.raises(ContextOverflow, match=str(CONTEXT_TOKENS)):
        processor.ask(request("word " * CONTEXT_TOKENS))

    assert processor.ask(request("Say yes.", reply_tokens=2)).text


def test_a_reply_can_be_held_to_a_json_schema(server: EmbeddedServer) -> None:
    schema = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
    answer = httpx2.post(
        f"{server.base_url}/chat/completions",
        headers={"Authorization": f"Bearer {server.api_key}"},
        json={
            "messages": [{"role": "user", "content": "How large is it?"}],
            "max_tokens": 60,
            "seed": 1,
            "response_format": {"type": "json_schema", "json_schema": {"name": "size", "schema": schema}},
        },
        timeout=60,
    ).json()

    assert isinstance(json.loads(answer["choices"][0]["message"]["content"])["size"], int)


def test_nobody_without_the_key_is_served(server: EmbeddedServer) -> None:
    with processor_of(server, api_key="another-key") as stranger, pytest.raises(ModelUnauthorized):
        stranger.ask(request("Hello?"))


def test_the_key_is_on_no_command_line(server: EmbeddedServer) -> None:
    pid = server.pid
    assert server.api_key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_an_interrupt_does_not_reach_the_server(server: EmbeddedServer, processor: OpenAIProcessor) -> None:
    os.kill(server.pid, signal.SIGINT)

    assert processor.ask(request("Say no.", reply_tokens=2)).text
    assert server.alive


def test_a_server_killed_within_a_call_is_an_error_of_the_model(
    small_model_weights: Path, tmp_path: Path
) -> None:
    with server_of(small_model_weights, tmp_path) as doomed, processor_of(doomed) as processor:
        threading.Timer(0.5, os.kill, (doomed.pid, signal.SIGKILL)).start()
        with pytest.raises(ModelFault, match="broke the connection"):
            processor.ask(request("Write a long story.", reply_tokens=400))
        with pytest.raises(ModelUnreachable):
            processor.ask(request("Hello?"))
        assert not doomed.alive


@pytest.mark.parametrize("end", ["cut", "random", "absent"])
def test_weights_that_cannot_be_loaded_are_named_with_the_log(
    small_model_weights: Path, tmp_path: Path, end: str
) -> None:
    weights = tmp_path / "weights.gguf"
    match end:
        case "cut":
            with small_model_weights.open("rb") as whole:
                weights.write_bytes(whole.read(5_000_000))
        case "random":
            weights.write_bytes(os.urandom(100_000))
        case _:
            pass

    with pytest.raises(WeightsError) as caught, server_of(weights, tmp_path):
        pass

    assert str(weights) in caught.value.message
    assert "failed to load model" in caught.value.message
    assert str(tmp_path / "server.log") in caught.value.next_step


def test_a_start_that_takes_too_long_ends_and_leaves_no_process(
    small_model_weights: Path, tmp_path: Path
) -> None:
    slow = EmbeddedServer(
        small_model_weights, model="m", context_tokens=512, log_path=tmp_path / "log", startup_seconds=0.05
    )
    with pytest.raises(ModelUnreachable, match=r"not ready within 0\.05 s"), slow:
        pass

    assert not slow.alive


def test_an_absent_server_package_is_named_with_its_installation(
    small_model_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    with pytest.raises(ModelUnreachable) as caught, server_of(small_model_weights, tmp_path):
        pass

    assert "pip install 'lmac[embedded]'" in caught.value.next_step


@pytest.mark.parametrize("moment", ["loading", "serving"])
def test_a_killed_owner_leaves_no_server(small_model_weights: Path, tmp_path: Path, moment: str) -> None:
    """Before the model is loaded as well as after, with the server started from a thread."""
    script = tmp_path / "owner.py"
    script.write_text(
        dedent(f"""
        import json, threading, time
        from pathlib import Path
        from lmac.models.server import EmbeddedServer

        def own():
            server = EmbeddedServer(
                Path({str(small_model_weights)!r}),
                model="m", context_tokens=512, log_path=Path({str(tmp_path / "log")!r}),
            )
            with server:
                print(json.dumps({{"pid": server.pid}}), flush=True)
                time.sleep(60)

        if __name__ == "__main__":
            threading.Thread(target=own).start()
            print(json.dumps({{"moment": "starting"}}), flush=True)
        """)
    )
    owner = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert owner.stdout is not None
    owner.stdout.readline()
    pid = json.loads(owner.stdout.readline())["pid"] if moment == "serving" else child_loading(owner.pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()

    assert ends_within(pid, 2.0)


def child_loading(owner_pid: int) -> int:
    """The server's process of an owner, once it has begun to read the weights."""
    while True:
        children = Path(f"/proc/{owner_pid}/task").glob("*/children")
        for pid in " ".join(path.read_text() for path in children).split():
            if "xllamacpp" in Path(f"/proc/{pid}/maps").read_text():
                return int(pid)
        time.sleep(0.01)


def ends_within(pid: int, wall_seconds: float) -> bool:
    deadline = time.monotonic() + wall_seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
