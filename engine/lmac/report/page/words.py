"""Numbers and times in words for a reader."""

from __future__ import annotations

from datetime import UTC, datetime


def short_number(number: int) -> str:
    """Three digits or so: 999, 12.3k, 4.56M."""
    if number < 1000:
        return str(number)
    if number < 999_500:
        return f"{number / 1000:.1f}k" if number < 99_500 else f"{number / 1000:.0f}k"
    return f"{number / 1e6:.2f}M"


def span_of_time(seconds: float) -> str:
    """In the two largest units that matter."""
    if seconds < 1:
        return f"{round(1000 * seconds)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def seconds_between(before: str, after: str) -> float | None:
    """From one of a journal's times to another; None when one of them is none."""
    try:
        first, last = (datetime.fromisoformat(at) for at in (before, after))
        return max((last.astimezone(UTC) - first.astimezone(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
