"""Reference solution of the task `lru-cache`."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class LRUCache:
    """Entries from the least to the most recently used, each with the time at which it expires."""

    def __init__(
        self,
        capacity: int,
        ttl_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, must be at least 1")
        self._capacity = capacity
        self._ttl_seconds = _checked(ttl_seconds)
        self._clock = clock
        self._entries: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()

    def put(self, key: Hashable, value: Any, ttl_seconds: float | None = None) -> None:
        lifetime_seconds = _checked(ttl_seconds) or self._ttl_seconds or math.inf
        self._drop_expired()
        if key not in self._entries and len(self._entries) >= self._capacity:
            self._entries.popitem(last=False)
        self._entries[key] = (value, self._clock() + lifetime_seconds)
        self._entries.move_to_end(key)

    def get(self, key: Hashable, default: Any = None) -> Any:
        self._drop_expired()
        if key not in self._entries:
            return default
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def delete(self, key: Hashable) -> bool:
        self._drop_expired()
        return self._entries.pop(key, None) is not None

    def keys(self) -> list[Hashable]:
        self._drop_expired()
        return list(self._entries)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        self._drop_expired()
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        self._drop_expired()
        return key in self._entries

    def _drop_expired(self) -> None:
        now_seconds = self._clock()
        expired = [key for key, (_, end_seconds) in self._entries.items() if now_seconds >= end_seconds]
        for key in expired:
            del self._entries[key]


def _checked(ttl_seconds: float | None) -> float | None:
    """Raises ValueError for a lifetime of zero or below."""
    if ttl_seconds is not None and ttl_seconds <= 0:
        raise ValueError(f"ttl_seconds is {ttl_seconds}, must be above 0")
    return ttl_seconds
