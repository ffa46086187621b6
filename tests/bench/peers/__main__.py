"""`python -m bench.peers [lock]`: measures, prints two tables, and keeps build/bench-peers.json."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.peers import own
from bench.peers.environments import NotInstalled
from bench.peers.own import probes
from bench.peers.remote import Driver, DriverFailed
from bench.peers.table import OURS, facts_table, speed_table
from bench.peers.turns import Sample, take_turns
from lmac.inputs import cache_folder
from lmac_sandbox import Engine, build_image, load_image, refresh_lock

IMAGE_FOLDER = Path(__file__).parent / "image"
RESULTS = Path("build") / "bench-peers.json"
PEERS = ("llm-sandbox", "swe-rex", "docker")
LABEL = "bench.peers"
SAMPLES = 11
PAUSE_SECONDS = 1.5
"""Before every sample: meanwhile pools start their next container and the engine cleans up."""


def main() -> int:
    """Take turns, so that a slow minute of the machine slows everybody down."""
    with Engine.connect() as engine, _removed_at_the_end(engine) as label, ExitStack() as stack:
        built = build_image(IMAGE_FOLDER, cache_folder(os.environ) / "images", engine)
        image = load_image(engine, built.archive_path)
        not_run: dict[str, str] = {}
        drivers = dict(_started(image, label, stack, not_run))
        samples: dict[tuple[str, str], Sample] = {
            (OURS, mode): sample
            for mode, sample in stack.enter_context(own.contenders(engine, image)).items()
        }
        for peer, driver in drivers.items():
            samples |= {(f"{peer} {driver.version}", mode): _sampler(driver, mode) for mode in driver.modes}
        rows, failed = take_turns(samples, SAMPLES, PAUSE_SECONDS)
        not_run |= failed
        facts = {OURS: own.facts(engine, image, probes())} | _facts(drivers, not_run)
        notes = [note for driver in drivers.values() for note in driver.notes]
    print(f"\n{speed_table(rows, own.YARDSTICKS)}\n\n{facts_table(facts)}\n")
    for line in [*notes, *(f"could not be run: {name}: {why}" for name, why in not_run.items())]:
        print(f"- {line}")
    _keep(
        {
            "processors": os.cpu_count(),
            "load_average": os.getloadavg(),
            "image": image,
            "rows": [row.as_json() for row in rows],
            "facts": facts,
            "notes": notes,
            "not_run": not_run,
        }
    )
    return 0


def lock() -> int:
    """Resolve the packages of the peers' image anew."""
    with Engine.connect() as engine:
        change = refresh_lock(IMAGE_FOLDER, cache_folder(os.environ) / "images", engine)
    print("\n".join((*change.added, *change.removed, *change.changed)) or "nothing changed")
    return 0


def _started(
    image: str, label: str, stack: ExitStack, not_run: dict[str, str]
) -> Iterator[tuple[str, Driver]]:
    for peer in PEERS:
        try:
            yield peer, stack.enter_context(Driver(peer, image, label))
        except (NotInstalled, DriverFailed) as error:
            not_run[peer] = str(error)


def _sampler(driver: Driver, mode: str) -> Sample:
    return lambda files: driver.sample(mode, files)


def _facts(drivers: Mapping[str, Driver], not_run: dict[str, str]) -> dict[str, Mapping[str, Any]]:
    seen: dict[str, Mapping[str, Any]] = {}
    for peer, driver in drivers.items():
        try:
            seen[f"{peer}, warm"] = driver.facts("warm", probes())
        except DriverFailed as error:
            not_run[f"facts of {peer}"] = str(error)
    return seen


@contextmanager
def _removed_at_the_end(engine: Engine) -> Iterator[str]:
    """A label for the peers' containers; none with it is left, whatever became of their drivers."""
    label = f"{LABEL}={secrets.token_hex(8)}"
    try:
        yield label
    finally:
        with engine.call("remove what peers left") as client:
            for container in client.containers.list(all=True, filters={"label": label}):
                container.remove(force=True)


def _keep(results: Mapping[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    partial = RESULTS.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")
    partial.replace(RESULTS)
    print(f"\nkept in {RESULTS}")


if __name__ == "__main__":
    sys.exit(lock() if sys.argv[1:] == ["lock"] else main())
