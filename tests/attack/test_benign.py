"""Every honest row passes under the policy that stops the hostile ones."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future

import pytest

from attack.benign import Benign
from attack.stage import Stage
from attack.table import BENIGN

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.mark.parametrize("row", BENIGN, ids=str)
def test_an_honest_program_runs_as_anywhere(
    row: Benign, stage: Stage, long_jobs: Mapping[str, Future[None]]
) -> None:
    if row.is_long:
        long_jobs[row.name].result()
    else:
        row.act(stage)
