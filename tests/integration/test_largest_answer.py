"""The largest answer that legal limits allow comes back whole, and the box serves on."""

from __future__ import annotations

import pytest

from judged_boxes import Judge
from lmac_sandbox import Ending, Limits
from lmac_sandbox.limits import MIB

pytestmark = [pytest.mark.engine, pytest.mark.slow]

# Characters outside ASCII take six bytes of JSON each.
NAMES = 1030
SUITE = """\
import os, subject_code

def test_first(capfd):
    with capfd.disabled():
        for stream in (1, 2):
            for _ in range(5): os.write(stream, b'x' * 2**20)
    assert subject_code.flood() == 5

""" + "".join(f"def test_{number:04}_{'é' * 960}(): assert True\n" for number in range(NAMES))
CODE = """\
import os
def flood():
    for _ in range(5): os.write(1, b'y' * 2**20)
    return 5
"""


@pytest.mark.parametrize(("kept_mib", "events_mib"), [(4, 7), (3, 8)])
def test_everything_at_its_cap_fits_into_one_answer(
    judge_in_box: Judge, kept_mib: int, events_mib: int
) -> None:
    limits = Limits(
        wall_seconds=60.0,
        output_bytes=64 * MIB,
        kept_bytes=kept_mib * MIB,
        events_bytes=events_mib * MIB,
    )
    judged, result = judge_in_box({"subject_code.py": CODE}, {"test_it.py": SUITE}, limits=limits)

    # More is told of the tests than may be.
    assert result.ending is Ending.OUTPUT_LIMIT, judged.findings[:3]
    assert result.reading is not None
    assert len(result.reading.expected_ids) > 1000
    assert result.subject_output is not None
    for output in (result.stdout, result.stderr, result.subject_output):
        assert len(output.head) + len(output.tail) == kept_mib * MIB
        assert output.total_bytes >= 5 * MIB
    told = sum(len(ascii(event)) for event in result.events)
    # An id takes four characters of ours where JSON takes six.
    assert told > 0.6 * events_mib * MIB
