"""The answer of our own programs `syntax`, `node_syntax` and `text`: `{"files": n, "faults": [...]}`.

With faults that are left out it has `untold` too: their number by rule.
"""

from __future__ import annotations

from collections.abc import Mapping

from lmac.checks.parsers.json_report import json_of, line_or_none
from lmac.checks.said import Ran, Said, Told, Unreadable, told


def parse_faults_json(ran: Ran) -> Said:
    """One fault each; no files are nothing to judge."""
    match json_of(ran):
        case {"files": int(files), "faults": list(faults), **rest} if rest.keys() <= {"untold"}:
            untold = _counts(rest.get("untold", {}))
        case _:
            raise Unreadable("its report has another form")
    if isinstance(files, bool) or files < 0:
        raise Unreadable("its report counts no files")
    kept = tuple(_told(fault) for fault in faults)
    faulty = len({one.where.rpartition(":")[0] for one in kept})
    return Said(kept, files, max(files - faulty, 0), untold)


def _counts(untold: object) -> Mapping[str, int]:
    if not isinstance(untold, dict):
        raise Unreadable("what its report leaves out has another form")
    for count in untold.values():
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise Unreadable("what its report leaves out has no number")
    return untold


def _told(fault: object) -> Told:
    match fault:
        case {"path": str(path), "line": int(line), "text": str(text), **rest} if rest.keys() <= {"rule"}:
            rule = rest.get("rule", "")
            return told(path, line_or_none(line), rule if isinstance(rule, str) else "", text)
        case _:
            raise Unreadable("a fault of its report has another form")
