"""The answer of our own programs `syntax` and `text`: `{"files": n, "faults": [...]}`."""

from __future__ import annotations

from itertools import islice

from lmac.checks.parsers.json_report import json_of, line_or_none
from lmac.checks.said import MOST_FINDINGS, Ran, Said, Told, Unreadable, told


def parse_faults_json(ran: Ran) -> Said:
    """One fault each; no files are nothing to judge."""
    match json_of(ran):
        case {"files": int(files), "faults": list(faults), **rest} if not rest:
            pass
        case _:
            raise Unreadable("its report has another form")
    if isinstance(files, bool) or files < 0:
        raise Unreadable("its report counts no files")
    kept = tuple(_told(fault) for fault in islice(faults, MOST_FINDINGS))
    faulty = len({one.where.rpartition(":")[0] for one in kept})
    return Said(kept, files, max(files - faulty, 0), len(faults) - len(kept))


def _told(fault: object) -> Told:
    match fault:
        case {"path": str(path), "line": int(line), "text": str(text), **rest} if rest.keys() <= {"rule"}:
            rule = rest.get("rule", "")
            return told(path, line_or_none(line), rule if isinstance(rule, str) else "", text)
        case _:
            raise Unreadable("a fault of its report has another form")
