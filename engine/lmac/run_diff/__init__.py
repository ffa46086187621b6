"""Two runs, compared from their folders."""

from __future__ import annotations

from lmac.run_diff.comparing import RunDifference, compare_runs
from lmac.run_diff.record import RunRecord, read_run
from lmac.run_diff.wording import render_difference

__all__ = ["RunDifference", "RunRecord", "compare_runs", "read_run", "render_difference"]
