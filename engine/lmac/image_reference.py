"""How a config names an image: `python`, `python@lock:<64 hex digits>`, or `sha256:<64 hex digits>`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lmac.errors import ConfigError

_NAME = r"[a-z0-9][a-z0-9-]*"
_DIGEST = r"[0-9a-f]{64}"
IMAGE_PATTERN = rf"^({_NAME}(@lock:{_DIGEST})?|sha256:{_DIGEST})$"
_NAMED = re.compile(rf"(?P<name>{_NAME})(@lock:(?P<lock>{_DIGEST}))?")
_ID = re.compile(rf"sha256:{_DIGEST}")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A shipped image, whatever its lock says or by one lock alone; or one image by its id."""

    name: str | None
    """Of a folder of images/; None for an image that is named by its id."""
    lock_digest: str | None = None
    """Hex; what the lock beside its definition has to be."""
    image_id: str | None = None
    """"sha256:…": its own id, or that of one engine."""

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read what a user wrote.

        Raises:
            ConfigError: it names no image in any of the three ways.
        """
        if _ID.fullmatch(text):
            return cls(None, image_id=text)
        if found := _NAMED.fullmatch(text):
            return cls(found["name"], found["lock"])
        raise ConfigError(
            f"image {text!r}: neither a name, nor NAME@lock:DIGEST, nor sha256:DIGEST with 64 hex digits",
            "`lmac images list` shows what configs name",
        )

    @property
    def is_pinned(self) -> bool:
        """Whether it means the same packages tomorrow."""
        return self.image_id is not None or self.lock_digest is not None

    def __str__(self) -> str:
        if self.name is None:
            return self.image_id or ""
        return f"{self.name}@lock:{self.lock_digest}" if self.lock_digest else self.name

    def suits(self, other: ImageReference) -> bool:
        """Whether one image can be meant by both."""
        locks = {self.lock_digest, other.lock_digest} - {None}
        return (self.name, self.image_id) == (other.name, other.image_id) and len(locks) < 2
