"""Every hostile row, run for real; then proof that store, host, engine and neighbours are as before."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from attack.stage import Attack, Stage
from attack.table import ATTACKS

# The long honest jobs run beside the rows here, so that nobody waits for them later.
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.usefixtures("long_jobs")]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_ends_as_it_must(attack: Attack, stage: Stage) -> None:
    with stage.unharmed(), stage.neighbour_at_work() if attack.heavy else nullcontext():
        attack.act(stage)
