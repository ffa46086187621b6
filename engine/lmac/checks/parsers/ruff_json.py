"""The JSON of ruff's `--output-format json`."""

from __future__ import annotations

from lmac.checks.parsers.json_report import json_of, line_or_none
from lmac.checks.said import Ran, Said, Told, Unreadable, told

_HINTS = {"F821": " (define it, or import it from its module)"}


def parse_ruff_json(ran: Ran) -> Said:
    """One fault a diagnostic. Source: ruff's documentation, "output-format"."""
    diagnostics = json_of(ran)
    if not isinstance(diagnostics, list):
        raise Unreadable("its report is no list")
    return Said(tuple(_told(diagnostic) for diagnostic in diagnostics))


def _told(diagnostic: object) -> Told:
    match diagnostic:
        case {
            "code": str() | None as code,
            "filename": str(path),
            "message": str(message),
            "location": {"row": line},
        }:
            hint = _HINTS.get(code or "", "")
            return told(path, line_or_none(line), code or "syntax", message + hint)
        case _:
            raise Unreadable("a diagnostic of its report has another form")
