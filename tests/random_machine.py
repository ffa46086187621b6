"""Whole machines with a model that does anything at all: each run ends in a typed outcome, and in time.

Every request goes to a server that refuses what real servers refuse.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lmac.baseline import run_loop
from lmac.bootstrap import ask_for_split
from lmac.budget import BudgetLimits, InstructionBudget
from lmac.checks import AcceptanceCheck, StandingSuite
from lmac.errors import ModelError, SandboxFailure
from lmac.evaluation.evidence import weakened
from lmac.processor.actions import ActionProtocol, EditForm, ProtocolName
from lmac.processor.fenced import FencedProtocol
from lmac.processor.json_protocol import JsonProtocol
from lmac.processor.native import NativeProtocol
from lmac.program import ProgramForm
from lmac.program.revision import MOST_PARTS
from lmac.transitions import MachineLimits, OnGivenUp, Outcome
from lmac_sandbox import EngineFailure, SandboxError
from memory_machine import MemoryMachine, memory_machine, unsynced
from random_model import Nature, RandomModel
from strict_processor import StrictProcessor, Tokenizer

LADDER: tuple[ActionProtocol, ...] = (NativeProtocol(), JsonProtocol(), FencedProtocol())
"""From the form that asks most of a model down; what stands after one can be stepped down to."""
FORMS: dict[ProtocolName, tuple[ProgramForm, ...]] = {
    ProtocolName.NATIVE: (ProgramForm.TOOL,),
    ProtocolName.JSON: (ProgramForm.SCHEMA, ProgramForm.JSON),
    ProtocolName.FENCED: (ProgramForm.NUMBERED, ProgramForm.NUMBERED, ProgramForm.JSON),
}
SUITES = (
    StandingSuite(AcceptanceCheck(name="examples"), {}, shown=True, titles={"test_a": "the example"}),
    StandingSuite(AcceptanceCheck(), {}),
)
MOST_INSTRUCTIONS = 3


@dataclass(frozen=True, slots=True)
class RandomRun:
    """How one run went."""

    outcome: Outcome
    answered: int
    """Calls, without those that the server called too long: after each of them less is sent, or the window
    is left."""
    most_answered: int
    """What its limits allow."""
    refused: tuple[str, ...]
    """Faults of requests, for which there is no excuse: too long ones too, when the server holds what it says
    and counts as it says."""
    too_long: int
    """Requests that a server refused which holds less than it was said to hold."""


@dataclass(slots=True)
class RandomRuns:
    """What came of many."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    calls: int = 0
    refused: list[str] = field(default_factory=list)
    """Each with its run's seed."""
    too_long: int = 0

    @property
    def completed_share(self) -> float:
        return self.outcomes[Outcome.COMPLETED] / max(self.outcomes.total(), 1)


def random_runs(first_seed: int, runs: int) -> RandomRuns:
    """That many runs.

    Raises:
        AssertionError: with the seed of a run that had no typed outcome, or made more calls than it may.
    """
    told = RandomRuns()
    for seed in range(first_seed, first_seed + runs):
        with scratch() as folder:
            try:
                run = random_run(seed, folder)
            except Exception as error:
                raise AssertionError(f"seed {seed}: no typed outcome") from error
        within = run.answered <= run.most_answered
        assert within, f"seed {seed}: {run.answered} calls, {run.most_answered} allowed"
        told.outcomes[run.outcome] += 1
        told.calls += run.answered + run.too_long
        told.refused += [f"seed {seed}: {fault}" for fault in run.refused]
        told.too_long += run.too_long
    return told


def random_run(seed: int, folder: Path) -> RandomRun:
    """One run, made from its seed alone; whatever is no typed outcome is raised.

    Args:
        folder: Empty, for the journal.
    """
    dice = random.Random(seed)
    rung = dice.randrange(len(LADDER))
    protocol, lower = LADDER[rung], dice.choice((LADDER[rung + 1 :], ()))
    context_tokens = dice.choice((1500, 3000, 8000, 8000, 16_000))
    nature = Nature(
        sound=dice.choice((0.0, 0.3, 0.8, 0.97)),
        slips=dice.choice((0.0, 0.3)),
        failures=dice.choice((0.0, 0.0, 0.0, 0.02, 0.1)),
        miscounts=dice.random() < 0.25,
    )
    is_honest = not nature.miscounts and dice.random() < 0.6
    server = StrictProcessor(
        RandomModel(dice, nature).answer,
        context_tokens=context_tokens if is_honest else int(context_tokens * dice.uniform(0.4, 1.0)),
        tokenizer=Tokenizer(dice.choice((4, 5, 6, 8))),
        reserves_reply=dice.random() < 0.7,
        tells_sizes=dice.random() < 0.8,
    )
    limits = _limits(dice)
    candidates = dice.choice((1, 1, 3))
    with unsynced(folder) as journal:
        made = memory_machine(
            server,
            journal,
            limits=limits,
            budget=_budget(dice),
            protocol=protocol,
            lower=lower,
            program_form=dice.choice(FORMS[protocol.name]),
            disturb=_failing_boxes(dice),
            split=dice.choice((None, ask_for_split)),
            weakened=dice.choice((None, weakened)),
            suites=dice.choice(((), (), SUITES[:1], SUITES)),
            edits=dice.choice(((), (EditForm.WHOLE,), tuple(EditForm))),
            context_tokens=context_tokens,
            candidates=candidates,
            candidate_hints=dice.random() < 0.5,
            most_instructions=MOST_INSTRUCTIONS,
        )
        outcome = _typed(made, looped=dice.random() < 0.1)
    return RandomRun(
        outcome,
        server.requests - server.too_long,
        _most_answered(limits, candidates, len(lower) + 1),
        (*server.refused, *(["too long"] * server.too_long if is_honest else [])),
        0 if is_honest else server.too_long,
    )


def _limits(dice: random.Random) -> MachineLimits:
    return MachineLimits(
        program_tries=dice.randint(0, 3),
        turns=dice.randint(1, 8),
        stuck_turns=dice.randint(1, 4),
        attempts=dice.randint(1, 3),
        on_given_up=dice.choice(tuple(OnGivenUp)),
        summaries=dice.random() < 0.8,
        evaluator=dice.random() < 0.9,
        finish_when_green=dice.random() < 0.2,
    )


def _budget(dice: random.Random) -> BudgetLimits:
    own = InstructionBudget(
        tokens=dice.choice((None, None, None, 3000, 40_000)), calls=dice.choice((None, None, None, 0, 4))
    )
    return BudgetLimits(
        tokens=dice.choice((None, None, None, 20_000, 200_000)),
        calls=dice.choice((None, None, None, None, 0, 5, 30)),
        instruction=own,
    )


def _most_answered(limits: MachineLimits, candidates: int, forms: int) -> int:
    """Each form begins what is under way anew; a summary may be asked for twice."""
    first = limits.requirement_tries + limits.program_tries + limits.reflections
    window = limits.turns + 2
    steps = MOST_INSTRUCTIONS + MOST_PARTS * limits.revisions
    instructions = steps * (limits.attempts * window + candidates - 1)
    return forms * (first + window) + limits.revisions + instructions


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
    rate = dice.choice((0.0, 0.0, 0.0, 0.0, 0.05, 0.5))
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
