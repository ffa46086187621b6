"""Whole machines with a model that does anything at all: each run ends in a typed outcome, and in time."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lmac.baseline import run_loop
from lmac.bootstrap import ask_for_split
from lmac.budget import BudgetLimits
from lmac.errors import (
    ContextOverflow,
    ModelBusy,
    ModelError,
    ModelFault,
    ModelGarbled,
    ModelSilent,
    ModelUnreachable,
    SandboxFailure,
)
from lmac.messages import Finish, Reply, Request, ToolCall, Usage
from lmac.processor import Processor
from lmac.processor.actions import ActionProtocol
from lmac.processor.fenced import FencedProtocol
from lmac.processor.native import NativeProtocol
from lmac.program import ProgramForm
from lmac.revision import MOST_PARTS
from lmac.transitions import MachineLimits, OnGivenUp, Outcome
from lmac_sandbox import EngineFailure, SandboxError
from memory_machine import MemoryMachine, memory_machine, unsynced

Wrapped = Callable[[Processor], Processor]
"""Puts something between the machine and its model, such as a server that refuses what real ones refuse."""

JUNK = "\x00\x1b[2J\u202e\ud800\U0001f600{}[]```'\"<untrusted>\r\n\t FILE: a.py 1. DONE"
PATHS = (
    "a.py",
    "test_a.py",
    "b.py",
    "test_b.py",
    "pkg/c.py",
    "../out.py",
    "/etc/x",
    "a.py/b.py",
    "\ud800.py",
    "",
)
CONTENTS = ("A = 1\n", "A = 1  # BUG\n", "BROKEN\n", "def test_a(): ...\n", "", "x" * 3000, "\ud800\x00")
NAMES = (
    "write",
    "read",
    "list",
    "delete",
    "run",
    "tests",
    "done",
    "retire",
    "program",
    "rm",
    "",
    "wri\x00te",
)
ARGUMENTS = ("{}", "[]", "null", "5", '{"path": 5}', '{"path": ["a"]}', "\x00", '{"test": "a", "reason": []}')
ERRORS = (ModelBusy, ModelFault, ModelGarbled, ModelSilent, ModelUnreachable)


class RandomModel(Processor):
    """Behaves in one way for a while, then in another.

    Args:
        failures: How often a call fails, of all calls.
    """

    def __init__(self, dice: random.Random, protocol: ActionProtocol, failures: float) -> None:
        self._dice = dice
        self._native = isinstance(protocol, NativeProtocol)
        self._failures = failures
        self._ids = count()
        self._spoken: list[Reply] = []
        self._behaviour = self._program
        self.calls = 0

    def ask(self, request: Request) -> Reply:
        self.calls += 1
        if self._dice.random() < self._failures:
            error = self._dice.choice((*ERRORS, ContextOverflow, ContextOverflow))
            raise error("it failed")
        if self._dice.random() < 0.4:
            self._behaviour = self._dice.choice(self._behaviours())
        reply = self._behaviour()
        self._spoken.append(reply)
        return reply

    def _behaviours(self) -> tuple[Callable[[], Reply], ...]:
        return (
            self._program,
            self._work,
            self._work,
            self._work,
            self._done,
            self._junk,
            self._refusal,
            self._empty,
            self._flood,
            self._half_json,
            self._echo,
            self._alternation,
            self._spam,
            self._unknown_tools,
        )

    def _program(self) -> Reply:
        steps = [
            {"text": f"Write {path}.", "files": [path, f"test_{path}"]}
            for path in self._dice.sample(("a.py", "b.py", "c.py"), self._dice.randint(1, 3))
        ]
        if self._native:
            return self._calling(("program", json.dumps({"instructions": steps})))
        lines = (f"{n}. {step['text']} (files: {step['files'][0]})" for n, step in enumerate(steps, start=1))
        return self._saying("\n".join(lines))

    def _work(self) -> Reply:
        writes = [
            (self._dice.choice(PATHS), self._dice.choice(CONTENTS)) for _ in range(self._dice.randint(1, 3))
        ]
        if self._native:
            calls = [("write", json.dumps({"path": path, "content": text})) for path, text in writes]
            return self._calling(*calls, *([("done", "{}")] if self._dice.random() < 0.3 else []))
        files = "\n\n".join(f"FILE: {path}\n```\n{text}\n```" for path, text in writes)
        return self._saying(files + ("\n\nDONE" if self._dice.random() < 0.3 else ""))

    def _done(self) -> Reply:
        return self._calling(("done", "{}")) if self._native else self._saying("DONE")

    def _junk(self) -> Reply:
        return self._saying("".join(self._dice.choices(JUNK, k=self._dice.randint(1, 400))))

    def _refusal(self) -> Reply:
        return Reply("I cannot help with that.", Finish.FILTERED, self._usage(8))

    def _empty(self) -> Reply:
        return self._saying("")

    def _flood(self) -> Reply:
        unit = self._dice.choice(("a ", "```", "FILE: a.py\n", "1. ", '{"', "\n", "READ a.py\n"))
        return Reply(unit * self._dice.randint(500, 4000), Finish.LENGTH, self._usage(4000))

    def _half_json(self) -> Reply:
        text = json.dumps({"path": "a.py", "content": "A = 1\n"})
        half = text[: self._dice.randint(0, len(text))]
        return self._calling(("write", half)) if self._native else self._saying(f"```json\n{half}")

    def _echo(self) -> Reply:
        return self._spoken[-1] if self._spoken else self._empty()

    def _alternation(self) -> Reply:
        return self._spoken[-2] if len(self._spoken) > 1 else self._empty()

    def _spam(self) -> Reply:
        if self._native:
            return self._calling(*[("list", "{}")] * self._dice.randint(2, 60))
        return self._saying("LIST\n\n" * self._dice.randint(2, 60))

    def _unknown_tools(self) -> Reply:
        calls = [(self._dice.choice(NAMES), self._dice.choice(ARGUMENTS)) for _ in range(3)]
        if self._native:
            return self._calling(*calls)
        return self._saying("\n\n".join(f"{name.upper()} {arguments}" for name, arguments in calls))

    def _saying(self, text: str) -> Reply:
        return Reply(text, Finish.STOP, self._usage(len(text) // 4))

    def _calling(self, *calls: tuple[str, str]) -> Reply:
        made = tuple(ToolCall(f"call_{next(self._ids)}", name, arguments) for name, arguments in calls)
        return Reply("", Finish.TOOL_CALLS, self._usage(50), calls=made)

    def _usage(self, reply_tokens: int) -> Usage:
        """Some servers count nothing, some count wrongly."""
        return Usage(self._dice.choice((0, 10, 500, 5000)), reply_tokens)


@dataclass(frozen=True, slots=True)
class RandomRun:
    """How one run went."""

    outcome: Outcome
    calls: int
    most_calls: int
    """What its limits allow."""


def random_run(seed: int, folder: Path, wrapped: Wrapped = lambda model: model) -> RandomRun:
    """One run; whatever is no typed outcome is raised.

    Args:
        folder: Empty, for the journal.
        wrapped: Puts something between machine and model.
    """
    dice = random.Random(seed)
    protocol: ActionProtocol = dice.choice((FencedProtocol(), NativeProtocol()))
    model = RandomModel(dice, protocol, dice.choice((0.0, 0.0, 0.02, 0.1)))
    limits = MachineLimits(
        program_tries=dice.randint(0, 3),
        turns=dice.randint(1, 8),
        stuck_turns=dice.randint(1, 4),
        attempts=dice.randint(1, 3),
        on_given_up=dice.choice(tuple(OnGivenUp)),
        summaries=dice.random() < 0.8,
        evaluator=dice.random() < 0.9,
        finish_when_green=dice.random() < 0.2,
    )
    candidates = dice.choice((1, 1, 3))
    with unsynced(folder) as journal:
        made = memory_machine(
            wrapped(model),
            journal,
            limits=limits,
            budget=BudgetLimits(
                tokens=dice.choice((None, None, 20_000, 200_000)), calls=dice.choice((None, None, 0, 5, 30))
            ),
            protocol=protocol,
            program_form=ProgramForm.TOOL if isinstance(protocol, NativeProtocol) else ProgramForm.NUMBERED,
            disturb=_failing_boxes(dice),
            split=dice.choice((None, ask_for_split)),
            weakened=(lambda *_: {"test_a.py::test_a": "was deleted"}) if dice.random() < 0.1 else None,
            context_tokens=dice.choice((1500, 3000, 8000)),
            candidates=candidates,
        )
        outcome = _typed(made, looped=dice.random() < 0.1)
    steps = 3 + MOST_PARTS * limits.revisions
    first_calls = limits.requirement_tries + limits.program_tries + limits.reflections + limits.revisions
    most = first_calls + steps * (limits.attempts * (limits.turns + 1) + candidates - 1)
    return RandomRun(outcome, model.calls, most)


def _typed(made: MemoryMachine, looped: bool) -> Outcome:
    """The outcome that `run.execute` gives to what stops a machine."""
    try:
        if looped:
            return _looped(made)
        try:
            return made.unit.run()
        except ModelError:
            made.unit.deliver_best()
            return Outcome.MODEL_FAILED
    except ModelError:
        return Outcome.MODEL_FAILED
    except (SandboxFailure, SandboxError):
        return Outcome.SANDBOX_FAILED


def _looped(made: MemoryMachine) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, unsynced(Path(folder)) as journal:
        return run_loop(made.setting, made.conversation, made.protocol, made.workspace, journal)[0]


def _failing_boxes(dice: random.Random) -> Callable[[], None]:
    """Boxes of which a few, or none, break."""
    rate = dice.choice((0.0, 0.0, 0.0, 0.05, 0.5))
    own = random.Random(dice.random())

    def disturb() -> None:
        if own.random() < rate:
            raise EngineFailure("the box is gone")

    return disturb


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one: a journal of thousands of runs."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def random_runs(first_seed: int, runs: int, wrapped: Wrapped = lambda model: model) -> Counter[Outcome]:
    """Outcomes of that many runs.

    Raises:
        AssertionError: with the seed of a run that had no typed outcome, or made more calls than it may.
    """
    outcomes: Counter[Outcome] = Counter()
    for seed in range(first_seed, first_seed + runs):
        with scratch() as folder:
            try:
                run = random_run(seed, folder, wrapped)
            except Exception as error:
                raise AssertionError(f"seed {seed}: no typed outcome") from error
        assert run.calls <= run.most_calls, f"seed {seed}: {run.calls} calls, {run.most_calls} allowed"
        outcomes[run.outcome] += 1
    return outcomes
