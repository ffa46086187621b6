"""The shortener itself: reference solution of the task `url-shortener`."""

import re
from urllib.parse import urlsplit

from base62 import encode
from link_store import AliasTaken, InvalidAlias, InvalidUrl, Link, LinkExpired, LinkStore

LONGEST_URL = 2000


def validate_url(url: str) -> str:
    """Raises InvalidUrl unless this is a web address with a host."""
    trimmed = url.strip()
    if len(trimmed) > LONGEST_URL or re.search(r"\s", trimmed):
        raise InvalidUrl(trimmed[:100])
    try:
        parts = urlsplit(trimmed)
    except ValueError as error:
        raise InvalidUrl(trimmed) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidUrl(trimmed)
    return trimmed


def validate_alias(alias: str) -> str:
    """Raises InvalidAlias for a wrong length or a wrong character."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{3,30}", alias):
        raise InvalidAlias(alias)
    return alias


class Shortener:
    """Codes for web addresses, with clicks, aliases and expiry."""

    def __init__(self, first_id: int = 1) -> None:
        self._next_number = first_id
        self._store = LinkStore()

    def shorten(
        self, url: str, alias: str | None = None, now: float = 0.0, expires_in: float | None = None
    ) -> str:
        """Raises InvalidUrl, InvalidAlias, AliasTaken, or ValueError (`expires_in`); nothing changed then."""
        address = validate_url(url)
        if expires_in is not None and expires_in <= 0:
            raise ValueError(f"expires_in is {expires_in}, must be above 0")
        code = self._free_code() if alias is None else self._free_alias(alias)
        expires_at = None if expires_in is None else now + expires_in
        self._store.add(Link(code, address, created_at=now, expires_at=expires_at))
        return code

    def resolve(self, code: str, now: float = 0.0) -> str:
        """Raises LinkNotFound or LinkExpired; neither counts a click."""
        link = self._store.get(code)
        if link.is_expired(now):
            raise LinkExpired(code)
        link.clicks += 1
        return link.url

    def stats(self, code: str) -> dict[str, object]:
        """Raises LinkNotFound for an unknown code."""
        link = self._store.get(code)
        return {
            "code": link.code,
            "url": link.url,
            "clicks": link.clicks,
            "created_at": link.created_at,
            "expires_at": link.expires_at,
        }

    def top(self, limit: int = 10) -> list[tuple[str, int]]:
        ranked = sorted(self._store.all(), key=lambda link: (-link.clicks, link.code))
        return [(link.code, link.clicks) for link in ranked[:limit]]

    def total_clicks(self) -> int:
        return sum(link.clicks for link in self._store.all())

    def delete(self, code: str) -> None:
        """Raises LinkNotFound for an unknown code."""
        self._store.remove(code)

    def purge(self, now: float) -> int:
        expired = [link.code for link in self._store.all() if link.is_expired(now)]
        for code in expired:
            self._store.remove(code)
        return len(expired)

    def __len__(self) -> int:
        return len(self._store)

    def _free_alias(self, alias: str) -> str:
        code = validate_alias(alias)
        if code in self._store:
            raise AliasTaken(code)
        return code

    def _free_code(self) -> str:
        while (code := encode(self._next_number)) in self._store:
            self._next_number += 1
        self._next_number += 1
        return code
