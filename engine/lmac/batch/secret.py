"""Values that stay out of a batch file: named there, read where they are needed, shown nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints

from lmac.errors import ConfigError
from lmac.yaml_source import Place

MOST_CHARACTERS = 8192

SecretReference = Annotated[
    str, StringConstraints(pattern=r"^\$\{(env:[A-Za-z_][A-Za-z0-9_]{0,63}|file:[^\x00{}]{1,4096})\}$")
]
"""`${env:NAME}` or `${file:PATH}`; the type of a field that holds a secret, which itself never stands there.

Its name must look secret to `yaml_source`, so that complaints mask what somebody wrote there after all.
"""

_ANY = re.compile(r"\$\{(env|file):")


def reveal(reference: str, environment: Mapping[str, str], folder: Path) -> str:
    """The value that a reference stands for.

    Args:
        folder: What a relative path is relative to.

    Raises:
        ConfigError: there is none; no value is part of the message.
    """
    kind, _, where = reference[2:-1].partition(":")
    if kind == "env":
        if not environment.get(where):
            raise ConfigError(f"the environment variable {where} is not set", f"export {where}=...")
        return environment[where]
    path = folder / Path(where).expanduser()
    try:
        with path.open(encoding="utf-8") as file:
            value = file.read(MOST_CHARACTERS + 1).strip()
    except UnicodeDecodeError:
        # The error itself holds the bytes.
        raise ConfigError(f"{path}: not UTF-8", "put nothing but the value into the file") from None
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', error)}", "check the path") from error
    if not value or len(value) > MOST_CHARACTERS:
        raise ConfigError(f"{path}: it is empty, or larger than any key", "put the value into the file")
    return value


def stray_references(value: Any, secret_keys: frozenset[str], at: Place = ()) -> Iterator[Place]:
    """Where a reference stands in a field that holds no secret, and would be taken as it is written."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key not in secret_keys:
                yield from stray_references(below, secret_keys, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from stray_references(item, secret_keys, (*at, index))
    elif isinstance(value, str) and _ANY.search(value):
        yield at
