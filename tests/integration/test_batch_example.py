"""The batch file that is shipped is one, to the last path, image and price."""

from __future__ import annotations

import os

import pytest

from lmac.batch.estimate import estimate_batch
from lmac.batch.resolving import load_batch
from lmac.shipped import shipped_folder

pytestmark = pytest.mark.engine


@pytest.mark.usefixtures("image_id")
def test_the_shipped_example_can_be_carried_out_as_it_is() -> None:
    path = shipped_folder("configs") / "batches" / "turns-and-seeds.yaml"
    # A lock that was refreshed is refused here too; the message says what the example should name.
    batch = load_batch(path, os.environ)

    assert len(batch.jobs) == 4 * 2 + 4 * 2 + 4
    assert batch.jobs[0].name == "stack-queue-turns-6-finish-when-green-true-s1"
    assert all(job.acceptance for job in batch.jobs if job.task.name != "roman")
    assert {job.config.most_instructions for job in batch.jobs if job.task.name == "lru-cache"} == {3}
    assert estimate_batch(batch, 4).tokens.most == 4_000_000
