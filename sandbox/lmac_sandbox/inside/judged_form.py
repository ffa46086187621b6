"""How a judge's suite meets the subject, as host and containers name it."""

from __future__ import annotations

from enum import StrEnum


class JudgedForm(StrEnum):
    """Its suite runs as a user of its own in either form."""

    API = "api"
    """The subject's modules are imported through proxies."""
    COMMAND = "command"
    """Its programs are run and its servers are asked; none of its modules is imported."""
