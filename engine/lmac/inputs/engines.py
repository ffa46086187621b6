"""The container engine that a recorded run names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lmac.errors import ConfigError

_HERE = "unix://"
_VARIABLE = "DOCKER_HOST"


def demand_own_engine(engine_url: str | None, folder: Path, environment: Mapping[str, str]) -> None:
    """See that a recorded run is carried to no other machine but one that the user names now.

    A run's folder may come from somebody else, who would have the user's ssh log in anywhere, and be sent
    what is typed into a shell.

    Args:
        engine_url: As the run's config has it.
        folder: The run's.

    Raises:
        ConfigError: it is on another machine, and the environment does not name it.
    """
    if engine_url is None or engine_url.startswith(_HERE) or engine_url == environment.get(_VARIABLE):
        return
    raise ConfigError(
        f"{folder}: the run names an engine on another machine, {engine_url}",
        f"if the run is your own and so is that engine, say so by {_VARIABLE}={engine_url}",
    )
