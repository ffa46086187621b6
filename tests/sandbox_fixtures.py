"""What tests of the sandbox stand on: a real engine, the real image, and a store with boxes of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmac.inputs import cache_folder
from lmac_sandbox import Box, Engine, Keeper, Limits, Owner, StoreLimits, Volume
from lmac_sandbox.images import build_image, find_image, load_image

IMAGES = Path(__file__).parent.parent / "images"
CACHE = cache_folder(os.environ) / "images"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The local engine; a missing one is an error, never a skip."""
    with Engine.connect() as connected:
        yield connected


@pytest.fixture(scope="session")
def image_id(engine: Engine) -> str:
    """The image of these sources, or the one that LMAC_TEST_IMAGE names while both are being worked on."""
    if reference := os.environ.get("LMAC_TEST_IMAGE"):
        return find_image(engine, reference)
    return load_image(engine, build_image(IMAGES / "python", CACHE, engine).archive_path)


@pytest.fixture(scope="session")
def node_image_id(engine: Engine) -> str:
    """The image of JavaScript."""
    return load_image(engine, build_image(IMAGES / "node", CACHE, engine).archive_path)


@pytest.fixture(scope="session")
def text_image_id(engine: Engine) -> str:
    """The image of books and other texts."""
    return load_image(engine, build_image(IMAGES / "text", CACHE, engine).archive_path)


@pytest.fixture
def owner() -> Owner:
    """This process, with a run of its own for each test."""
    return Owner.current(f"test-{secrets.token_hex(4)}")


@pytest.fixture
def volume(engine: Engine, owner: Owner) -> Iterator[Volume]:
    """An empty store's volume."""
    with Volume.create(engine, owner, StoreLimits()) as made:
        yield made


@pytest.fixture
def keeper(engine: Engine, volume: Volume, image_id: str, owner: Owner) -> Iterator[Keeper]:
    """The keeper of an empty store."""
    with Keeper.start(engine, volume, image_id, owner, StoreLimits()) as started:
        yield started


@pytest.fixture
def box(engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner) -> Iterator[Box]:
    """One box beside the keeper, under the default limits."""
    started = Box.start(engine, volume, image_id, owner, Limits())
    try:
        yield started
    finally:
        started.remove()
