"""The one job that everybody does. Standard library only: drivers import it in environments of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

FOLDER = "/sandbox"
"""Where the files go; llm-sandbox's default."""
COMMANDS = (
    "python3 -m py_compile counter.py test_counter.py",
    "ruff check .",
    "python3 -m pytest -q",
)
"""Syntax, lint, tests; each ends with an exit code of its own."""
PASSED = "3 passed"
_EXIT = re.compile(r"^exit (\d+)\r?$", re.MULTILINE)


class NotGreen(Exception):
    """The job did not end as it must: the time would be that of something else."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One command that ended."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Took:
    """One sample, in seconds from the files in hand."""

    until_result: float
    whole: float
    """With everything that the caller has to wait for afterwards."""


def joined() -> str:
    """All commands as one line for a shell, which prints their exit codes."""
    return "; ".join(f"{command}; echo exit $?" for command in COMMANDS)


def split(output: str) -> list[Ran]:
    """What the single commands of `joined` did."""
    pieces = _EXIT.split(output)
    return [Ran(int(code), text) for text, code in zip(pieces[:-1:2], pieces[1::2], strict=True)]


def demand_green(ran: Sequence[Ran]) -> None:
    """Read the results as a caller would.

    Raises:
        NotGreen: a command is missing or failed, or pytest did not pass the three tests.
    """
    if len(ran) != len(COMMANDS) or any(one.exit_code != 0 for one in ran) or PASSED not in ran[-1].output:
        raise NotGreen(f"the job did not end green: {ran}")
