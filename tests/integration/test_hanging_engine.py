"""Row 23: calls of the engine that hang. Each has a deadline; what it may have made is not used, and goes."""

from __future__ import annotations

import time

import pytest

from lmac_sandbox import Engine, EngineFailure, Job, Keeper, Limits, Owner, Pool, Volume
from stalling_proxy import StallingProxy

pytestmark = pytest.mark.engine

CALL_SECONDS = 1.0


@pytest.mark.parametrize("passes_on", [False, True], ids=["request lost", "answer lost"])
@pytest.mark.parametrize(
    "call",
    [
        pytest.param("/containers/create", marks=pytest.mark.slow),
        pytest.param("/attach", marks=pytest.mark.slow),
        "/start",
    ],
)
def test_a_call_that_hangs_while_a_box_starts_costs_its_deadline_and_another_box_serves(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner, call: str, passes_on: bool
) -> None:
    started = time.monotonic()
    with (
        StallingProxy(call, stalls=1, passes_on=passes_on) as proxy,
        Engine.connect(proxy.url, CALL_SECONDS) as hanging,
    ):
        with Pool(hanging, volume, image_id, owner, Limits()) as pool, pool.take() as box:
            assert box.run(Job(("echo", "served"))).stdout.text() == "served\n"
        assert time.monotonic() - started < 15

        assert proxy.stalled == 1
    assert engine.containers(owner.labels("box")) == {}


def test_an_engine_that_goes_on_hanging_is_an_engine_failure(
    engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner
) -> None:
    started = time.monotonic()
    with (
        StallingProxy("/start", stalls=2) as proxy,
        Engine.connect(proxy.url, CALL_SECONDS) as hanging,
        Pool(hanging, volume, image_id, owner, Limits()) as pool,
    ):
        with pytest.raises(EngineFailure, match="did not answer in time"):
            pool.take()
        assert time.monotonic() - started < 15
    assert engine.containers(owner.labels("box")) == {}
