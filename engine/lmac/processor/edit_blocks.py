"""SEARCH/REPLACE blocks, with the small mistakes that models make in their markers."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SEARCH = re.compile(r"^\s{0,8}<{5,9}\s{0,3}(?:SEARCH|ORIGINAL|OLD|HEAD)\b", re.IGNORECASE)
_REPLACE = re.compile(r"^\s{0,8}>{5,9}(?:\s{0,3}(?:REPLACE|UPDATED|NEW)\b.*|\s*)$", re.IGNORECASE)
_DIVIDER = re.compile(r"^\s{0,8}={5,9}\s*$")
_USUAL_DIVIDER = "======="


class BlockFault(ValueError):
    """A block that cannot be read; the words are for the model."""


def opens_edit(line: str) -> bool:
    """Whether a SEARCH marker stands here."""
    return _SEARCH.match(line) is not None


def closes_edit(line: str) -> bool:
    """Whether a REPLACE marker stands here."""
    return _REPLACE.match(line) is not None


def is_edit(content: str) -> bool:
    """Whether a fenced block holds replacements and no file."""
    return any(opens_edit(line) for line in content.split("\n"))


def replacements_in(content: str) -> list[dict[str, str]]:
    """All replacements of a block, in order, as the tool `edit` takes them.

    Raises:
        BlockFault: one has no divider.
    """
    return [_replacement(lines) for lines in _parts(content.split("\n"))]


def _parts(lines: list[str]) -> Iterator[list[str]]:
    """What stands after each SEARCH marker, up to its REPLACE marker, to the next one or to the end."""
    part: list[str] | None = None
    for line in lines:
        if opens_edit(line):
            if part is not None:
                yield part
            part = []
        elif part is not None and closes_edit(line):
            yield part
            part = None
        elif part is not None:
            part.append(line)
    if part is not None:
        # The last marker was forgotten; the fence ends here, and with it a line feed that is no line.
        yield part[:-1] if part and not part[-1] else part


def _replacement(lines: list[str]) -> dict[str, str]:
    """Cut at the divider: the usual one where it stands, since a heading may be underlined by others."""
    dividers = [index for index, line in enumerate(lines) if line.strip() == _USUAL_DIVIDER]
    dividers = dividers or [index for index, line in enumerate(lines) if _DIVIDER.match(line)]
    if not dividers:
        raise BlockFault("a SEARCH block has no line `=======` between what stands there and what shall")
    return {
        "search": "".join(f"{line}\n" for line in lines[: dividers[0]]),
        "replace": "".join(f"{line}\n" for line in lines[dividers[0] + 1 :]),
    }
