"""The plainest report: an exit code and what was printed."""

from __future__ import annotations

from lmac.checks.said import Ran, Said, told, words_of


def parse_exit_code(ran: Ran) -> Said:
    """Exit code 0 is a pass; with any other one the last words are the fault."""
    if ran.exit_code == 0:
        return Said(passed=1)
    return Said((told(ran.path, None, "", words_of(ran) or f"exit code {ran.exit_code}"),))
