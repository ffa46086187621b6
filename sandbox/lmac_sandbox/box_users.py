"""Which users the next box has: a pair that no living box of this process has."""

from __future__ import annotations

import threading
import zlib
from itertools import count
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from lmac_sandbox.inside.users import PAIRS, BoxUsers

if TYPE_CHECKING:
    from lmac_sandbox.owner import Owner


class UserTurns:
    """Pairs in turn; one is free again when nobody holds it any more."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._numbers = count()
        self._held: WeakValueDictionary[int, BoxUsers] = WeakValueDictionary()

    def next(self, first: int) -> BoxUsers:
        with self._turn:
            for _ in range(PAIRS):
                pair = (first + next(self._numbers)) % PAIRS
                if pair not in self._held:
                    break
            # With more boxes than pairs some share their quotas, which is better than none.
            self._held[pair] = users = BoxUsers(pair)
            return users


_TURNS = UserTurns()


def next_users(owner: Owner) -> BoxUsers:
    """Users for one box; hold the value as long as the box lives.

    Another process begins elsewhere, so that its boxes have other users most likely.
    """
    return _TURNS.next(zlib.crc32(f"{owner.started} {owner.pid} {owner.pid_namespace}".encode()))
