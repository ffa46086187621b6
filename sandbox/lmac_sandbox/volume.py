"""The volume that holds one store: in memory or on a disk, gone with its run."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from lmac_sandbox.errors import EngineFailure, SandboxError
from lmac_sandbox.limits import StoreLimits
from lmac_sandbox.policy import volume_options

if TYPE_CHECKING:
    from lmac_sandbox.engine import Engine
    from lmac_sandbox.owner import Owner

REMOVE_SECONDS = 10.0
"""How long a volume may stay in use by containers that are already going."""


class Volume:
    """One volume of an engine. One in memory empties when the last container that uses it stops."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    @classmethod
    def create(cls, engine: Engine, owner: Owner, limits: StoreLimits) -> Volume:
        """Make a volume of the owner's, with a name of its own.

        Raises:
            EngineFailure: the engine refused.
        """
        name = f"lmac-{owner.run_id}-{secrets.token_hex(4)}"
        try:
            with engine.call("create the store's volume") as client:
                client.api.create_volume(
                    name, driver="local", driver_opts=volume_options(limits), labels=owner.labels("volume")
                )
        except BaseException:
            # Made, perhaps, before the call was interrupted; the first failure is the one to report.
            with suppress(SandboxError):
                remove_volume(engine, name)
            raise
        return cls(engine, name)

    def __enter__(self) -> Volume:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove it; nothing happens when it is gone.

        Raises:
            EngineFailure: a container still uses it after `REMOVE_SECONDS`.
        """
        remove_volume(self._engine, self.name)


def remove_volume(engine: Engine, name: str) -> bool:
    """Remove a volume, waiting for containers that are going; False when there was none.

    Raises:
        EngineFailure: it is still in use after `REMOVE_SECONDS`.
    """
    import docker.errors

    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        with engine.call("remove the store's volume") as client:
            try:
                client.api.remove_volume(name)
            except docker.errors.NotFound:
                return False
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
            else:
                return True
        if time.monotonic() > deadline:
            raise EngineFailure(f"volume {name} is still in use after {REMOVE_SECONDS:.0f} s")
        time.sleep(0.02)
