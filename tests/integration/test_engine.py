"""The engine's edge: what it says of itself, and what becomes of every way in which it can fail."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer

import pytest

from lmac_sandbox import (
    Box,
    Engine,
    EngineFailure,
    EngineUnavailable,
    ImageNotFound,
    Job,
    Keeper,
    Limits,
    Owner,
    Volume,
)
from lmac_sandbox.engine import translated


@pytest.fixture
def silent_engine(tmp_path: Path) -> Iterator[str]:
    """A socket that answers the two requests of a client that connects, and then falls silent."""
    answers = iter(range(2))

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                while self.rfile.readline().strip():
                    pass
                if next(answers, None) is None:
                    over.wait()
                    return
                body = b'{"ApiVersion":"1.41","Version":"1"}'
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                self.wfile.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    class Server(ThreadingUnixStreamServer):
        daemon_threads = True
        block_on_close = False

    over = threading.Event()
    with Server(str(tmp_path / "engine.sock"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{tmp_path}/engine.sock"
        over.set()
        server.shutdown()


@pytest.mark.engine
def test_a_real_engine_tells_its_facts(engine: Engine) -> None:
    facts = engine.facts()

    assert facts.server_version
    assert facts.cgroup_version in {"1", "2"}
    assert facts.runtimes


@pytest.mark.engine
def test_an_image_that_is_not_there_is_named(engine: Engine) -> None:
    with pytest.raises(ImageNotFound, match="create the box"):
        engine.create_container({"Image": "sha256:" + "0" * 64}, "box")


@pytest.mark.engine
def test_options_that_the_engine_refuses_are_a_failure_with_its_reason(engine: Engine, image_id: str) -> None:
    with pytest.raises(EngineFailure, match=r"cap|CAP"):
        engine.create_container({"Image": image_id, "HostConfig": {"CapAdd": ["NO_SUCH"]}}, "box")


def test_no_engine_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable):
        Engine.connect(f"unix://{tmp_path}/nothing.sock")


def test_an_engine_that_falls_silent_is_a_failure_within_the_deadline(silent_engine: str) -> None:
    engine = Engine.connect(silent_engine, call_seconds=1.0)
    started = time.monotonic()

    with pytest.raises(EngineFailure, match="did not answer in time"):
        engine.remove_container("any")
    assert time.monotonic() - started < 3


def test_a_socket_that_never_answers_is_no_engine(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "engine.sock"))
        server.listen()

        with pytest.raises(EngineUnavailable):
            Engine.connect(f"unix://{tmp_path}/engine.sock", call_seconds=1.0)


def test_an_error_answer_without_a_message_is_a_failure() -> None:
    with pytest.raises(EngineFailure, match="KeyError"), translated("do it"):
        raise KeyError("message")


@pytest.mark.engine
def test_clients_of_threads_that_ended_are_dropped_and_what_they_opened_goes_on(
    volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    with Engine.connect() as own:
        boxes: list[Box] = []
        threads = [
            threading.Thread(target=lambda: boxes.append(Box.start(own, volume, image_id, owner, Limits()))),
            *(threading.Thread(target=own.facts) for _ in range(5)),
        ]
        for thread in threads:
            thread.start()
            thread.join()

        # This thread's, and that of the last one to end.
        assert len(own._clients) == 2
        with boxes[0] as box:
            assert box.run(Job(("echo", "on"))).stdout.text() == "on\n"
