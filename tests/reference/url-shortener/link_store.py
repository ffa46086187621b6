"""Links in memory: reference solution of the task `url-shortener`."""

from dataclasses import dataclass


class InvalidUrl(ValueError):
    """No absolute web address."""


class InvalidAlias(ValueError):
    """Wrong length or wrong characters."""


class AliasTaken(ValueError):
    """The code names another link."""


class LinkNotFound(LookupError):
    """No link has this code."""


class LinkExpired(LookupError):
    """The link's time is over."""


@dataclass
class Link:
    """One short code and what it stands for; times in seconds."""

    code: str
    url: str
    created_at: float
    expires_at: float | None = None
    clicks: int = 0

    def is_expired(self, now: float) -> bool:
        return self.expires_at is not None and now >= self.expires_at


class LinkStore:
    """Links by code, in the order in which they were added."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    def add(self, link: Link) -> None:
        """Raises AliasTaken when the code is stored already."""
        if link.code in self._links:
            raise AliasTaken(link.code)
        self._links[link.code] = link

    def get(self, code: str) -> Link:
        """Raises LinkNotFound for an unknown code."""
        if code not in self._links:
            raise LinkNotFound(code)
        return self._links[code]

    def remove(self, code: str) -> None:
        """Raises LinkNotFound for an unknown code."""
        del self._links[self.get(code).code]

    def all(self) -> list[Link]:
        return list(self._links.values())

    def __contains__(self, code: str) -> bool:
        return code in self._links

    def __len__(self) -> int:
        return len(self._links)
