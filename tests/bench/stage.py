"""What the figures of the sandbox stand on: the engine, the shipped image, a store of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lmac.checks import Check
from lmac.config import RunConfig
from lmac.evaluator import BoxSource, Evaluator
from lmac.inputs import cache_folder, load_checks
from lmac.shipped_images import resolve_image
from lmac_sandbox import Box, Engine, Keeper, Limits, Owner, Reuse, StoreLimits, Volume

CHECKOUT = Path(__file__).parents[2]

MODULE = '''"""A counter."""


class Counter:
    """Counts from zero."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, amount: int = 1) -> int:
        """The new count."""
        self.count += amount
        return self.count
'''
TESTS = '''"""Tests of the counter."""

from counter import Counter


def test_starts_at_zero() -> None:
    assert Counter().count == 0


def test_adds_one() -> None:
    assert Counter().add() == 1


def test_adds_more() -> None:
    assert Counter().add(4) == 4
'''


@dataclass(frozen=True, slots=True)
class Stage:
    """One store with its keeper, and what boxes need to stand beside it."""

    engine: Engine
    image_id: str
    owner: Owner
    volume: Volume
    keeper: Keeper

    def box(
        self, limits: Limits | None = None, sessions: bool = True, reuse: Reuse = Reuse.SINGLE_USE
    ) -> Box:
        """A box beside the keeper; the default limits unless others are named."""
        whole = limits or Limits()
        return Box.start(self.engine, self.volume, self.image_id, self.owner, whole, sessions, reuse)


@contextmanager
def connected() -> Iterator[tuple[Engine, str]]:
    """The engine, and the id of the shipped image in it."""
    with Engine.connect() as engine:
        yield engine, resolve_image(engine, "python", cache_folder(os.environ))


@contextmanager
def staged(limits: StoreLimits | None = None) -> Iterator[Stage]:
    """An empty store, gone afterwards."""
    store_limits = limits or StoreLimits()
    owner = Owner.current(f"bench-{secrets.token_hex(4)}")
    with (
        connected() as (engine, image_id),
        Volume.create(engine, owner, store_limits) as volume,
        Keeper.start(engine, volume, image_id, owner, store_limits) as keeper,
    ):
        yield Stage(engine, image_id, owner, volume, keeper)


def measured_checks(config: RunConfig) -> tuple[Check, ...]:
    """Syntax, lint and tests: what the figures compare with the same three elsewhere."""
    return tuple(check for check in load_checks(config).checks if check.name in ("syntax", "lint", "tests"))


def evaluator_of(boxes: BoxSource, tools: BoxSource, tests: BoxSource | None = None) -> Evaluator:
    """With those checks."""
    return Evaluator(boxes, measured_checks(RunConfig()), tools, tests)
