"""JSON of tools, read so that no bytes cost the host more than their own size's worth."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from lmac.checks.said import MOST_BYTES, Ran, Unreadable

LINE_NUMBERS = 2**31
"""Beyond it a number is no line."""


def json_of(ran: Ran) -> Any:
    """The report as plain values.

    Raises:
        Unreadable: cut, too large, no UTF-8, no JSON, or nested too deeply.
    """
    if ran.cut or len(ran.stdout) > MOST_BYTES:
        raise Unreadable("its report is cut")
    try:
        return json.loads(ran.stdout.decode("utf-8"), parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise Unreadable("its report is no JSON") from error


def line_or_none(value: object) -> int | None:
    """A line number, if it is one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < LINE_NUMBERS:
        return value
    return None


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
