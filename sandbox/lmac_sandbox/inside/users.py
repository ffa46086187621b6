"""The users of a box: its own, since the kernel counts some quotas by user id over all containers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PAIRS = 300
FIRST_JOB_UID = 60580
"""With the judges' numbers behind it in the one range that neither people nor services of a usual host have.

Below 65536, so that a remapped or rootless engine has them too.
Source: systemd, "Users, Groups, UIDs and GIDs on systemd systems" (60578 to 61183 are unused).
"""
FIRST_JUDGE_UID = FIRST_JOB_UID + PAIRS
_ARGUMENT = "users="


@dataclass(frozen=True, slots=True, weakref_slot=True)
class BoxUsers:
    """Whoever executes generated code in a box, and whoever judges there by the user's own suite.

    The first can neither read nor signal the second's processes.

    Raises:
        ValueError: there is no such pair.
    """

    pair: int
    """Below `PAIRS`."""

    def __post_init__(self) -> None:
        if not 0 <= self.pair < PAIRS:
            raise ValueError(f"no pair of users {self.pair}; there are {PAIRS}")

    @property
    def job(self) -> int:
        """User id of generated code."""
        return FIRST_JOB_UID + self.pair

    @property
    def judge(self) -> int:
        """User id of the judge."""
        return FIRST_JUDGE_UID + self.pair

    def argument(self) -> str:
        """As the runner is told."""
        return f"{_ARGUMENT}{self.pair}"

    @classmethod
    def told_by(cls, arguments: Iterable[str]) -> BoxUsers:
        """The pair that a runner's command line names.

        Raises:
            ValueError: it names none, more than one, or no such pair.
        """
        (told,) = (argument for argument in arguments if argument.startswith(_ARGUMENT))
        return cls(int(told.removeprefix(_ARGUMENT)))
