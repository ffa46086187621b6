"""How two locks differ, and which of that makes it senseless to go on with a run. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lmac.errors import ConfigError
from lmac.run_lock.content import RunLock

SHOWN = 12
"""Differences that a message names."""
VALUE_CHARACTERS = 80
"""Of a value in a message."""

ONLY_TOLD = (
    "engine",
    "host",
    "server",
    # Other code of the same version: what it decides otherwise shows when the run is gone through again.
    "lmac.commit",
    "lmac.dirty",
    "lmac.source_sha256",
    "lmac.python",
    # Where things lie; what they hold stands elsewhere in the lock.
    "config.checks",
    "config.engine_url",
    "config.image",
    "config.model",
    "config.prompts",
    "config.response_cache",
    "config.runs_folder",
    "image.engine_id",
    "image.name",
    "model.server_package",
)
"""Parts, with all below them, in which two machines, or two days, may differ without harm."""


KNOWN_LATER = ("dependencies", "server")
"""Parts of which nothing is known when a run begins, or is gone on with."""


class Drift(StrEnum):
    """What a difference means to a run that is gone on with, or repeated."""

    DECIDES = "decides"
    """Another run would come of it."""
    TOLD = "told"
    """To be known; what comes of the run should be the same."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that two locks have not in common."""

    path: str
    """Such as `image.packages.deb libc6.version`."""
    a: Any
    """None where the first lock has nothing there."""
    b: Any

    @property
    def drift(self) -> Drift:
        return Drift.TOLD if any(within(self.path, part) for part in ONLY_TOLD) else Drift.DECIDES

    def in_words(self) -> str:
        return f"{self.path}: {_short(self.a)} -> {_short(self.b)}"


class Drifted(ConfigError):
    """What a run was begun with is not what is here now."""

    differences: tuple[Difference, ...] = ()
    """Those that decide and were not allowed."""


def compare(a: RunLock, b: RunLock) -> tuple[Difference, ...]:
    """Everything in which they differ, by path."""
    return tuple(_differences(a.model_dump(mode="json"), b.model_dump(mode="json"), ""))


def demand_same(recorded: RunLock, now: RunLock, allow_drift: Collection[str] = ()) -> tuple[Difference, ...]:
    """Refuse to go on where another run would come of it; returns the differences that are left.

    `KNOWN_LATER` is not looked at: a run that is gone on with keeps to the packages that it had.

    Args:
        allow_drift: Parts of the lock, such as `image` or `config.budget`, that may differ.

    Raises:
        Drifted: they differ in what decides; the message names each difference.
        ConfigError: `allow_drift` names what no lock has.
    """
    demand_parts(allow_drift)
    found = [
        difference
        for difference in compare(recorded, now)
        if not any(within(difference.path, part) for part in KNOWN_LATER)
    ]
    refused = tuple(
        difference
        for difference in found
        if difference.drift is Drift.DECIDES
        and not any(within(difference.path, part) for part in allow_drift)
    )
    if refused:
        shown = "".join(f"\n  {difference.in_words()}" for difference in refused[:SHOWN])
        more = f"\n  and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        parts = list(dict.fromkeys(difference.path.split(".")[0] for difference in refused))
        options = " ".join(f"--allow-drift {part}" for part in (*allow_drift, *parts))
        drifted = Drifted(
            f"the run was begun with something else than what is here now:{shown}{more}",
            f"bring back what it was begun with, or go on all the same with {options}",
        )
        drifted.differences = refused
        raise drifted
    return tuple(found)


def within(path: str, part: str) -> bool:
    """Whether a path lies within a part of the lock, or is it."""
    return path == part or path.startswith((f"{part}.", f"{part}["))


def demand_parts(parts: Collection[str]) -> None:
    """Refuse what names no part of a lock that could be allowed to differ.

    Raises:
        ConfigError: one does.
    """
    known = [name for name in RunLock.model_fields if name not in ("version", *KNOWN_LATER)]
    for part in parts:
        if part.split(".")[0] not in known:
            raise ConfigError(
                f"--allow-drift {part}: no such part of run.lock", f"its parts are {', '.join(known)}"
            )


def _differences(a: Any, b: Any, path: str) -> Iterator[Difference]:
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys()):
            yield from _differences(a.get(name), b.get(name), f"{path}.{name}" if path else name)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _differences(one, other, f"{path}[{number}]")
    elif a != b or type(a) is not type(b):
        yield Difference(path, a, b)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}..."
