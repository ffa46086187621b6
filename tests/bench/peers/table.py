"""What was measured, as the two tables that `MEASURED.md` shows: Markdown, readable in a terminal too."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.peers.job import Took

OURS = "LMAC"
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Row:
    """One way of doing the job."""

    who: str
    mode: str
    samples: tuple[Took, ...]

    @property
    def until_result(self) -> float:
        """Median seconds from the files in hand to the results in hand."""
        return statistics.median(took.until_result for took in self.samples)

    @property
    def whole(self) -> float:
        """Median seconds with what the caller waits for afterwards."""
        return statistics.median(took.whole for took in self.samples)

    def as_json(self) -> dict[str, Any]:
        """With every sample."""
        return {
            "who": self.who,
            "mode": self.mode,
            "until_result_p50": round(self.until_result, 4),
            "whole_p50": round(self.whole, 4),
            "until_result": [round(took.until_result, 4) for took in self.samples],
            "whole": [round(took.whole, 4) for took in self.samples],
        }


def speed_table(rows: Sequence[Row], yardsticks: Sequence[str]) -> str:
    """Times in milliseconds.

    Args:
        yardsticks: Modes of ours that everybody is compared to, a column each.
    """
    ours = {row.mode: row for row in rows if row.who == OURS}
    head = [
        "who",
        "mode",
        "result, ms: p50 (min-max)",
        "and all gone, ms",
        *(f"x {OURS}, {mode}" for mode in yardsticks),
    ]
    lines = []
    for row in rows:
        ratios = [f"{_times_slower(row, ours[mode]):.1f}" for mode in yardsticks]
        lines.append([row.who, row.mode, _spread(row), f"{row.whole * 1000:.0f}", *ratios])
    return _markdown(head, lines)


def facts_table(facts: Mapping[str, Mapping[str, Any]]) -> str:
    """What the probes saw: a column for each sandbox."""
    rows = {
        "user of the code": lambda seen: "root" if seen["uid"] == 0 else f"uid {seen['uid']}",
        "capabilities": lambda seen: str(seen["capabilities"]),
        "no-new-privileges": lambda seen: _yes(seen["no_new_privileges"]),
        "seccomp filter": lambda seen: _yes(seen["seccomp_mode"] == 2),
        "network": lambda seen: ", ".join(name for name in seen["interfaces"] if name != "lo") or "none",
        "writes to the image's files": lambda seen: _yes(seen["root_writable"]),
        "processes": lambda seen: _limit(seen["pids"], 1, ""),
        "memory": lambda seen: _limit(seen["memory_bytes"], 2**20, " MiB"),
        "a file of 1 GiB": lambda seen: "written" if seen["writes_1_gib"] else "refused",
        "left to the next job after a time limit": _left,
    }
    lines = [[name, *(shown(seen) for seen in facts.values())] for name, shown in rows.items()]
    return _markdown(["", *facts], lines)


def _times_slower(row: Row, other: Row) -> float:
    """The median over the rounds: the machine is no slower for one than for the other within a round."""
    return statistics.median(
        took.until_result / others.until_result
        for took, others in zip(row.samples, other.samples, strict=True)
    )


def _left(seen: Mapping[str, Any]) -> str:
    if seen["after_time_limit"] is None:
        return "it has no time limit"
    return f"{seen['processes_left']} of 2 processes"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _limit(value: int | None, unit: int, name: str) -> str:
    return "no limit" if value is None else f"{value // unit}{name}"


def _spread(row: Row) -> str:
    times = [took.until_result * 1000 for took in row.samples]
    return f"{row.until_result * 1000:.0f} ({min(times):.0f}-{max(times):.0f})"


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    ruled = [head, ["-" * width for width in widths], *lines]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in ruled
    )
