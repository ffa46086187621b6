"""A real HTTP server on loopback that answers chat completions wrongly, one way a path."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loopback_server import LoopbackServer

TRICKLE_SECONDS = 0.1
"""Between two bytes of a trickling answer: well within any client's time for one read."""


class FaultServer(LoopbackServer):
    """Owned by a `with` block. `base_url("half_json")` is an API whose every answer is half a JSON."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        """Fault and decoded body of every request, oldest first."""
        self.authorizations: list[str | None] = []
        """The header of that name, of every request."""
        self.count: Counter[str] = Counter()
        server = _Server(("127.0.0.1", 0), _Handler)
        server.owner = self
        super().__init__(server)

    def base_url(self, fault: str) -> str:
        return f"{self.address}/{fault}/v1"


class _Server(ThreadingHTTPServer):
    owner: FaultServer
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up is what many of these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        fault = self.path.split("/")[1]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        owner = self.server.owner
        owner.requests.append((fault, json.loads(body)))
        owner.authorizations.append(self.headers.get("Authorization"))
        owner.count[fault] += 1
        FAULTS[fault](self)

    def answer(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self.answer(status, json.dumps(body).encode(), headers=headers)

    def trickle(self, text: bytes) -> None:
        """One byte at a time, for ever again from the beginning, until the client has gone."""
        while not self.server.owner.stopping.is_set():
            for number in range(len(text)):
                self.wfile.write(text[number : number + 1])
                time.sleep(TRICKLE_SECONDS)

    @property
    def times(self) -> int:
        """How often this path was asked so far, this time included."""
        return self.server.owner.count[self.path.split("/")[1]]

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the tests' terminal."""


def completion(message: Mapping[str, Any] | None = None, finish: str = "stop") -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-name",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": "hello", **(message or {})},
            }
        ],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 3,
            "total_tokens": 23,
            "prompt_tokens_details": {"cached_tokens": 16},
        },
    }


def _error(message: str, kind: str = "", code: str | int | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


def _always(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Callable[[_Handler], None]:
    return lambda handler: handler.answer_json(status, body, headers)


def _first(times: int, status: int, headers: Mapping[str, str] | None = None) -> Callable[[_Handler], None]:
    def answer(handler: _Handler) -> None:
        if handler.times <= times:
            handler.answer_json(status, _error("not now"), headers)
        else:
            handler.answer_json(200, completion())

    return answer


def _raw(status: int, body: bytes, kind: str) -> Callable[[_Handler], None]:
    return lambda handler: handler.answer(status, body, kind)


def _tools(handler: _Handler) -> None:
    call = {"id": "c9", "type": "function", "function": {"name": "read", "arguments": '{"path": "a.py"}'}}
    handler.answer_json(200, completion({"content": None, "tool_calls": [call]}, "tool_calls"))


def _echo_key(handler: _Handler) -> None:
    handler.answer_json(401, _error(f"wrong key: {handler.headers['Authorization']}"))


def _echo_key_late(handler: _Handler) -> None:
    """After so many words that a message which is cut at a length is cut within the key."""
    key = handler.headers["Authorization"].removeprefix("Bearer ")
    handler.answer_json(400, _error("no " * 96 + key))


def _echo_key_garbled(handler: _Handler) -> None:
    handler.answer(200, f"you sent {handler.headers['Authorization']}".encode())


def _drop(handler: _Handler) -> None:
    handler.close_connection = True


def _cut(handler: _Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def _hang(handler: _Handler) -> None:
    handler.server.owner.stopping.wait()


def _trickle_headers(handler: _Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    handler.trickle(b"X-Slow: yes\r\n")


def _trickle_body(handler: _Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    handler.trickle(b" ")


def _flood(handler: _Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while not handler.server.owner.stopping.is_set():
        handler.wfile.write(b" " * 1_000_000)


def _redirect(handler: _Handler) -> None:
    port = handler.server.server_port
    handler.answer(307, b"", headers={"Location": f"http://127.0.0.1:{port}/elsewhere/v1/chat/completions"})


_LLAMA_OVERFLOW = {
    "error": {
        "code": 400,
        "message": "request (5031 tokens) exceeds the available context size (2048 tokens)",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 5031,
        "n_ctx": 2048,
    }
}

FAULTS: dict[str, Callable[[_Handler], None]] = {
    "none": _always(200, completion()),
    "tools": _tools,
    "cut_reply": _always(200, completion(finish="length")),
    "thought_only": _always(200, completion({"content": None}, "length")),
    "refusal": _always(200, completion({"content": None, "refusal": "I may not."})),
    "unauthorized": _always(401, _error("no such key")),
    "forbidden": _always(403, _error("not for you")),
    "echo_key": _echo_key,
    "echo_key_late": _echo_key_late,
    "echo_key_garbled": _echo_key_garbled,
    "busy": _always(429, _error("slow down")),
    "busy_twice": _first(2, 429, {"Retry-After": "7"}),
    "busy_for_an_hour": _always(429, _error("slow down"), {"Retry-After": "3600"}),
    "no_credit": _always(429, _error("you have no credit", "insufficient_quota", "insufficient_quota")),
    "minute_allowance": _always(429, _error("Request too large for this model on tokens per min")),
    "fault": _always(500, _error("an internal fault")),
    "fault_html": _raw(502, b"<html><h1>Bad gateway</h1></html>", "text/html"),
    "loading_once": _first(1, 503),
    "no_such_model": _always(404, _error("no such model", "invalid_request_error", "model_not_found")),
    "bad_request": _always(400, _error("temperature must be 1")),
    "overflow_llama": _always(400, _LLAMA_OVERFLOW),
    "overflow_code": _always(
        400, _error("shorter please", "invalid_request_error", "context_length_exceeded")
    ),
    "overflow_vllm": _always(
        400, _error("However, the model's context length is only 1024 tokens.", code=400)
    ),
    "overflow_500": _always(500, _error("the input is too long: it exceeds the context window")),
    "overflow_413": _raw(413, b"<html>Request Entity Too Large</html>", "text/html"),
    "overflow_200": _always(200, _error("prompt is too long: 9 tokens > 8 maximum", code=400)),
    "error_200": _always(200, _error("the upstream failed", code=502)),
    "html": _raw(200, b"<!doctype html><title>Welcome</title>", "text/html"),
    "half_json": _raw(200, b'{"choices": [{"message": {"con', "application/json"),
    "not_utf8": _raw(200, b'{"choices": "\xff\xfe"}', "application/json"),
    "empty": _raw(200, b"", "application/json"),
    "json_list": _always(200, [1, 2]),
    "no_choices": _always(200, {"object": "chat.completion"}),
    "empty_choices": _always(200, {"choices": []}),
    "null_choices": _always(200, {"choices": None}),
    "null_message": _always(200, {"choices": [{"message": None, "finish_reason": "stop"}]}),
    "null_content": _always(200, completion({"content": None})),
    "number_content": _always(200, completion({"content": 5})),
    "deep_json": _raw(200, b"[" * 200_000, "application/json"),
    "drop": _drop,
    "cut": _cut,
    "hang": _hang,
    "trickle_headers": _trickle_headers,
    "trickle_body": _trickle_body,
    "flood": _flood,
    "redirect": _redirect,
    "elsewhere": _always(200, completion()),
}
