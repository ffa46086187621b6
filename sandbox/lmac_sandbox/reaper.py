"""Remove what dead owners have left on an engine: by label and proof of death, never by a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmac_sandbox.owner import MACHINE, Owner, machine_id
from lmac_sandbox.volume import remove_volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmac_sandbox.engine import Engine


@dataclass(frozen=True, slots=True)
class Reaped:
    """What was removed."""

    containers: int
    volumes: int


def reap(engine: Engine) -> Reaped:
    """Remove containers and then volumes whose owners on this machine are surely dead.

    What another machine owns on a shared engine, or another pid namespace of this one, is left alone.

    Raises:
        EngineFailure: the engine failed, or a volume stays in use.
    """
    ours = {MACHINE: machine_id()}
    containers = sum(engine.remove_container(found) for found in _orphans(engine.containers(ours)))
    volumes = sum(remove_volume(engine, found) for found in _orphans(engine.volumes(ours)))
    return Reaped(containers, volumes)


def _orphans(found: Mapping[str, Mapping[str, str]]) -> list[str]:
    owners = {name: Owner.from_labels(labels) for name, labels in found.items()}
    return [name for name, owner in owners.items() if owner is not None and owner.is_surely_dead()]
