"""A real HTTP server on loopback with the habits of servers in use: what it honours, ignores, refuses."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loopback_server import LoopbackServer
from strict_requests import Body, request_fault, too_long_with_reply

NUMBERS = " ".join(map(str, range(1, 31)))
WORDS = ["moss", "lantern", "quarrel", "seven", "tide", "copper", "whisper", "angle", "ferry", "plum"]


class Does(Enum):
    """What becomes of a field of a request."""

    HONOURS = "honours"
    IGNORES = "ignores"
    REFUSES = "refuses"


class Seeds(Enum):
    """What a seed does."""

    HONOURED = "honoured"
    COLD_FIRST = "the first reply of each seed differs, as where a cache changes the arithmetic"
    BY_CHANCE = "ignored; each reply is another"
    ALL_THE_SAME = "ignored; each reply is the same"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Habits:
    """Of one server; the defaults honour all."""

    limit_names: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    kept_limits: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    temperatures: tuple[float, ...] | None = None
    """None: all."""
    stop: Does = Does.HONOURS
    seeds: Seeds = Seeds.HONOURED
    schema: Does = Does.HONOURS
    tools: Does = Does.HONOURS
    named: Does = Does.HONOURS
    parallel: Does = Does.HONOURS
    usage: bool = True
    cached: bool = True
    thinks: bool = False
    """Spends a reply of fewer than 500 tokens before its first word."""
    tells_context: int | None = 4096
    checks_context: int | None = None
    """Refuses a request whose reply would not fit into it."""
    hangs: Callable[[Body], bool] = lambda body: False


ALL = Habits()
NOTHING = Habits(
    kept_limits=(),
    stop=Does.IGNORES,
    seeds=Seeds.BY_CHANCE,
    schema=Does.IGNORES,
    tools=Does.IGNORES,
    usage=False,
    cached=False,
    tells_context=None,
)


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str = ""
    calls: tuple[tuple[str, Body], ...] = ()
    finish: str = "stop"


class ProbedServer(LoopbackServer):
    """Owned by a `with` block; answers whatever way its habits say.

    Args:
        raw: Sent instead of any answer with status 200.
    """

    def __init__(self, habits: Habits = ALL, raw: bytes | None = None) -> None:
        self.habits = habits
        self.raw = raw
        self.requests: list[Body] = []
        """All of them, the refused ones as well."""
        self.seen_prompts: set[str] = set()
        self.seen_seeds: set[int] = set()
        self.chance = random.Random(5)
        self.lock = threading.Lock()
        server = _Server(("127.0.0.1", 0), _Handler)
        server.owner = self
        super().__init__(server)

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    def fault(self, body: Body) -> str:
        """Why the server refuses a request; "" when it does not."""
        habits = self.habits
        if fault := request_fault(body):
            return fault
        for name in ("max_tokens", "max_completion_tokens"):
            if name in body and name not in habits.limit_names:
                return f"Unsupported parameter: '{name}' is not supported with this model."
        if habits.temperatures is not None and body["temperature"] not in habits.temperatures:
            return "Unsupported value: 'temperature' does not support this value with this model."
        refused = {
            "stop": habits.stop is Does.REFUSES,
            "seed": habits.seeds is Seeds.REFUSED,
            "response_format": habits.schema is Does.REFUSES,
            "tools": habits.tools is Does.REFUSES,
            "tool_choice": habits.named is Does.REFUSES,
            "parallel_tool_calls": habits.parallel is Does.REFUSES,
        }
        for name, refuses in refused.items():
            if refuses and name in body:
                return f"Unsupported parameter: '{name}'."
        if habits.checks_context is not None and _limit(body) > habits.checks_context:
            return too_long_with_reply(20, _limit(body), habits.checks_context)
        return ""

    def answer(self, body: Body) -> Body:
        """A chat completion."""
        with self.lock:
            answer = self._cut(self._stopped(self._said(body), body), body)
            prompt = json.dumps(body["messages"])
            cached = prompt in self.seen_prompts and self.habits.cached
            self.seen_prompts.add(prompt)
        message: Body = {"role": "assistant", "content": answer.text}
        if answer.calls:
            message["tool_calls"] = [
                {
                    "id": f"c{number}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(given)},
                }
                for number, (name, given) in enumerate(answer.calls)
            ]
        completion: Body = {
            "model": body["model"],
            "choices": [{"message": message, "finish_reason": answer.finish}],
        }
        if self.habits.usage:
            completion["usage"] = {
                "prompt_tokens": 20,
                "completion_tokens": max(len(answer.text.split()), 1),
                "prompt_tokens_details": {"cached_tokens": 16 if cached else 0},
            }
        return completion

    def _said(self, body: Body) -> _Answer:
        habits, asked = self.habits, body["messages"][-1]["content"]
        if habits.thinks and _limit(body) < 500:
            return _Answer(finish="length")
        if "response_format" in body and habits.schema is Does.HONOURS:
            return _Answer('{"colour": "red", "loud": "no"}')
        if "tools" in body and habits.tools is Does.HONOURS:
            if "tool_choice" in body and habits.named is Does.HONOURS:
                return _Answer(calls=((body["tool_choice"]["function"]["name"], {}),), finish="tool_calls")
            if "twice" in asked:
                count = 2 if habits.parallel is Does.HONOURS else 1
                calls = tuple(("note", {"number": number + 1}) for number in range(count))
                return _Answer(calls=calls, finish="tool_calls")
            if "`note`" in asked:
                return _Answer(calls=(("note", {"number": 7}),), finish="tool_calls")
        if "seed" in body:
            return _Answer(self._invented(body["seed"]))
        return _Answer(NUMBERS if "numbers" in asked else "It is wide and it is blue.")

    def _invented(self, seed: int) -> str:
        cold = seed not in self.seen_seeds
        self.seen_seeds.add(seed)
        match self.habits.seeds:
            case Seeds.BY_CHANCE:
                chance = self.chance
            case Seeds.ALL_THE_SAME:
                chance = random.Random(0)
            case Seeds.COLD_FIRST if cold:
                chance = random.Random(seed + 1000)
            case _:
                chance = random.Random(seed)
        return " ".join(chance.choices(WORDS, k=12))

    def _stopped(self, answer: _Answer, body: Body) -> _Answer:
        if self.habits.stop is not Does.HONOURS:
            return answer
        ends = [at for stop in body.get("stop", []) if (at := answer.text.find(stop)) >= 0]
        return replace(answer, text=answer.text[: min(ends)], finish="stop") if ends else answer

    def _cut(self, answer: _Answer, body: Body) -> _Answer:
        kept = any(name in body for name in self.habits.kept_limits)
        words = answer.text.split(" ")
        if not kept or len(words) <= _limit(body):
            return answer
        return replace(answer, text=" ".join(words[: _limit(body)]), finish="length")


def _limit(body: Body) -> int:
    limit: int = body.get("max_tokens") or body.get("max_completion_tokens") or 1
    return limit


class _Server(ThreadingHTTPServer):
    owner: ProbedServer
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up waiting is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        context = self.server.owner.habits.tells_context
        if self.path != "/v1/models" or context is None:
            self._send(404, b"{}")
            return
        self._send(200, json.dumps({"data": [{"id": "m", "max_model_len": context}]}).encode())

    def do_POST(self) -> None:
        owner = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        owner.requests.append(body)
        if owner.habits.hangs(body):
            owner.stopping.wait()
        elif owner.raw is not None:
            self._send(200, owner.raw)
        elif fault := owner.fault(body):
            self._send(400, json.dumps({"error": {"message": fault, "code": 400}}).encode())
        else:
            self._send(200, json.dumps(owner.answer(body)).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the tests' terminal."""
