"""Where a run of lines stands among others, in time that grows with their number alone."""

from __future__ import annotations

from collections.abc import Sequence


def places(lines: Sequence[str], sought: Sequence[str]) -> list[int]:
    """Every index at which all of `sought` follows, overlapping ones too; none for an empty `sought`.

    Source: Knuth, Morris, Pratt. A plain comparison at each place would cost the product of both lengths.
    """
    if not sought:
        return []
    borders = border_lengths(sought)
    found: list[int] = []
    matched = 0
    for index, line in enumerate(lines):
        while matched and (matched == len(sought) or line != sought[matched]):
            matched = borders[matched - 1]
        if line == sought[matched]:
            matched += 1
        if matched == len(sought):
            found.append(index - matched + 1)
    return found


def border_lengths(lines: Sequence[str]) -> list[int]:
    """Of each beginning of the lines: how many lines of its end are its own beginning again."""
    lengths = [0] * len(lines)
    matched = 0
    for index in range(1, len(lines)):
        while matched and lines[index] != lines[matched]:
            matched = lengths[matched - 1]
        if lines[index] == lines[matched]:
            matched += 1
        lengths[index] = matched
    return lengths
