"""`run.lock`: what a run stands on, written before anything is spent, compared before it goes on."""

from __future__ import annotations

from lmac.run_lock.content import RunLock, ServerPart, parse_lock, schema_json
from lmac.run_lock.differences import Difference, Drift, Drifted, compare, demand_parts, demand_same
from lmac.run_lock.gathering import gather_lock
from lmac.run_lock.recording import LOCK_NAME, RecordedLock, folded_lock, recorded_lock
from lmac.run_lock.server_words import WitnessedProcessor

__all__ = [
    "LOCK_NAME",
    "Difference",
    "Drift",
    "Drifted",
    "RecordedLock",
    "RunLock",
    "ServerPart",
    "WitnessedProcessor",
    "compare",
    "demand_parts",
    "demand_same",
    "folded_lock",
    "gather_lock",
    "parse_lock",
    "recorded_lock",
    "schema_json",
]
