"""Which files a store holds and whether a change fits: the keeper's index, without a disk.

Every rule is checked for a whole batch before anything changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .paths import check_path, fold, parents, shown

FOLDER = "folder"
FILE = "file"


class Full(ValueError):
    """The change would pass a limit of the store; the text names it."""


class Collision(ValueError):
    """The change would put a file where a folder is, or beside a twin that differs in case or form only."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of a store."""

    store_bytes: int
    """All contents together."""
    store_files: int
    """Files; folders are capped at the same number."""
    file_bytes: int
    """One content."""


@dataclass(slots=True)
class _Place:
    """What stands at one folded path."""

    spelling: str
    kind: str
    holders: int
    """Files at or below it."""


class Namespace:
    """The files of one store by path, with their sizes."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._sizes: dict[str, int] = {}
        self._places: dict[str, _Place] = {}
        self._total_bytes = 0
        self._folders = 0

    def __contains__(self, path: str) -> bool:
        return path in self._sizes

    def sizes(self) -> Mapping[str, int]:
        """Path to bytes."""
        return self._sizes

    def check(self, additions: Mapping[str, int]) -> None:
        """Whether files of these paths and sizes may all be written.

        Raises:
            BadPath: a path breaks a rule.
            Collision: a path clashes with the store or with another of the batch.
            Full: a limit would be passed.
        """
        for path, size_bytes in additions.items():
            check_path(path)
            if size_bytes > self._caps.file_bytes:
                raise Full(f"{shown(path)} has {size_bytes} bytes, a file may have {self._caps.file_bytes}")
        new_folders = self._check_collisions(additions)
        self._check_totals(additions, new_folders)

    def put(self, path: str, size_bytes: int) -> None:
        """Note a file that `check` has allowed."""
        self._total_bytes += size_bytes - self._sizes.get(path, 0)
        if path not in self._sizes:
            for folder in parents(path):
                self._hold(folder, FOLDER)
            self._hold(path, FILE)
        self._sizes[path] = size_bytes

    def remove(self, path: str) -> list[str]:
        """Forget a file; returns the folders that are empty now, innermost first.

        Raises:
            KeyError: it is not there.
        """
        self._total_bytes -= self._sizes.pop(path)
        self._release(path)
        return [folder for folder in reversed(parents(path)) if self._release(folder)]

    def _check_collisions(self, additions: Mapping[str, int]) -> int:
        """How many folders the batch adds."""
        batch: dict[str, _Place] = {}
        for path in additions:
            for place in (*(_Place(folder, FOLDER, 0) for folder in parents(path)), _Place(path, FILE, 0)):
                key = fold(place.spelling)
                standing = self._places.get(key) or batch.setdefault(key, place)
                if (standing.spelling, standing.kind) != (place.spelling, place.kind):
                    raise Collision(
                        f"{shown(path)} clashes with the {standing.kind} {shown(standing.spelling)}"
                    )
        return sum(place.kind == FOLDER for place in batch.values())

    def _check_totals(self, additions: Mapping[str, int], new_folders: int) -> None:
        files = len(self._sizes.keys() | additions.keys())
        if files > self._caps.store_files:
            raise Full(f"the store would hold {files} files, the limit is {self._caps.store_files}")
        folders = self._folders + new_folders
        if folders > self._caps.store_files:
            raise Full(f"the store would hold {folders} folders, the limit is {self._caps.store_files}")
        replaced_bytes = sum(self._sizes.get(path, 0) for path in additions)
        total_bytes = self._total_bytes - replaced_bytes + sum(additions.values())
        if total_bytes > self._caps.store_bytes:
            raise Full(f"the store would hold {total_bytes} bytes, the limit is {self._caps.store_bytes}")

    def _hold(self, spelling: str, kind: str) -> None:
        place = self._places.setdefault(fold(spelling), _Place(spelling, kind, 0))
        place.holders += 1
        self._folders += kind == FOLDER and place.holders == 1

    def _release(self, spelling: str) -> bool:
        """Whether nothing is left at that path."""
        place = self._places[fold(spelling)]
        place.holders -= 1
        if place.holders:
            return False
        del self._places[fold(spelling)]
        self._folders -= place.kind == FOLDER
        return True
