"""Keys of model servers, taken out of everything that leaves: by their exact value, however it is escaped."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, quote_plus

KEY_SHOWN = "[key]"
LEAST_CHARACTERS = 8
"""Shorter ones are no secrets, and stand by chance in many a text."""
PLACEHOLDERS = frozenset({"dummy-key", "lm-studio", "no-key-needed", "no-key-required", "not-needed"})
"""What servers that want no key are given for one: words that a task may be about."""


class Redaction:
    """Takes secrets out of texts, contents and JSON values; without a secret all stay what they are.

    Args:
        secrets: Those that are too short to be any, and placeholders, are passed over.
    """

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        self._secrets = frozenset(secret for secret in secrets if secret and is_secret(secret))

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def text(self, text: str) -> str:
        """The text without them."""
        if not self._secrets or not self._in_text.search(text):
            return text
        return self._in_text.sub(KEY_SHOWN, text)

    def content(self, content: bytes) -> bytes:
        """The bytes without them."""
        if not self._secrets or not self._in_bytes.search(content):
            return content
        return self._in_bytes.sub(KEY_SHOWN.encode(), content)

    def holds(self, content: bytes | str) -> bool:
        """Whether there is one in it."""
        if not self._secrets:
            return False
        pattern: re.Pattern[Any] = self._in_text if isinstance(content, str) else self._in_bytes
        return pattern.search(content) is not None

    def value(self, value: Any) -> Any:
        """The JSON value without them, names of its keys included; the same object when it holds none."""
        if not self._secrets:
            return value
        match value:
            case str():
                redacted: Any = self.text(value)
                # What compares as a text goes into a line of JSON as one: enum members too.
                return value if redacted == value else redacted
            case bytes():
                return self.content(value)
            case Mapping():
                return {self.value(name): self.value(part) for name, part in value.items()}
            case list():
                return [self.value(part) for part in value]
            case tuple():
                return tuple(self.value(part) for part in value)
            case _:
                return value

    @cached_property
    def _forms(self) -> list[str]:
        forms = {form for secret in self._secrets for form in escaped_forms(secret)}
        # The longest first: a part of it must not be taken out before.
        return sorted(forms, key=lambda form: (-len(form), form))

    @cached_property
    def _in_text(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._forms)))

    @cached_property
    def _in_bytes(self) -> re.Pattern[bytes]:
        return re.compile(self._in_text.pattern.encode())


NO_SECRETS = Redaction()


def is_secret(key: str) -> bool:
    """Whether it is looked for in what others write."""
    return len(key) >= LEAST_CHARACTERS and key.lower() not in PLACEHOLDERS


def escaped_forms(secret: str) -> frozenset[str]:
    """The secret as it stands in plain text, JSON, addresses, HTML, hexadecimal numbers and Base64."""
    inner_json = json.dumps(secret)[1:-1]
    percent = quote(secret, safe="")
    raw = secret.encode()
    plain = {
        secret,
        inner_json,
        inner_json.replace("/", "\\/"),
        percent,
        re.sub("%..", lambda found: found[0].lower(), percent),
        quote(secret),
        quote_plus(secret),
        html.escape(secret),
        raw.hex(),
        raw.hex().upper(),
    }
    return frozenset(plain | _base64_forms(raw))


def _base64_forms(raw: bytes) -> set[str]:
    """What its Base64 has in common wherever within a longer content it begins."""
    forms = set()
    for before in range(3):
        whole = bytes(before) + raw
        # Letters at both ends hold bits of what stands beside.
        first = (8 * before + 5) // 6
        last = 8 * len(whole) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(whole + bytes(-len(whole) % 3)).decode()[first:last])
    return forms


_noted: set[str] = set()


def note_secret(key: str) -> None:
    """Remember a key that this process has read, for the last words of a command that fails.

    All else is told by its owner which secrets to leave out; a fault that nobody foresaw has none.
    """
    _noted.add(key)


def without_noted(text: str) -> str:
    """The text without any key that this process has read."""
    return Redaction(_noted).text(text) if _noted else text
