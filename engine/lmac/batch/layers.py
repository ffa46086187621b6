"""Keys laid over keys, each of which still knows the line that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lmac.yaml_source import Place, YamlSource

Lines = Mapping[Place, int]


class Layers:
    """A document that grows by layers: mappings merge key by key, anything else replaces what was there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._content: dict[str, Any] = {}
        self._lines: dict[Place, int] = {}

    def lay(self, keys: Mapping[str, Any], lines: Lines) -> None:
        """Put one more layer on top.

        Args:
            lines: Of `keys`, by their place in them.
        """
        self._content = _merged(self._content, keys)
        self._lines.update(lines)

    def lay_one(self, dotted: str, value: Any, lines: Lines) -> None:
        """Put one value on top, at a key such as `machine.turns`.

        Args:
            lines: Of the value, which stands at ().
        """
        at = tuple(dotted.split("."))
        keys: Any = value
        for key in reversed(at):
            keys = {key: keys}
        here = lines.get(())
        above = {at[:size]: here for size in range(1, len(at) + 1)} if here is not None else {}
        self.lay(keys, above | {(*at, *below): line for below, line in lines.items()})

    def source(self) -> YamlSource:
        """The whole, for `yaml_source` to judge."""
        return YamlSource(self._name, self._content, self._lines)


def holds(keys: Mapping[str, Any], dotted: str) -> bool:
    """Whether nested keys say something at such a key, or at one above it that is no mapping."""
    level: Any = keys
    for key in dotted.split("."):
        if not isinstance(level, Mapping):
            return True
        if key not in level:
            return False
        level = level[key]
    return True


def lines_by_section(lines: Lines) -> dict[Place, dict[Place, int]]:
    """Of each place of one, two and three keys: the lines of what stands there, and below it."""
    sections: dict[Place, dict[Place, int]] = {}
    for at, line in lines.items():
        for size in range(1, min(len(at), 3) + 1):
            sections.setdefault(at[:size], {})[at[size:]] = line
    return sections


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(under, value) if both and under is not None else value
    return merged
