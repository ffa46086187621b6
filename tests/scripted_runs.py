"""What tests of whole runs share: an order against a scripted server, texts in both protocols, leftovers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lmac.config import RunConfig
from lmac.inputs import load_checks, load_profile
from lmac.journal import Event, read_blob, read_journal
from lmac.program import Task
from lmac.run import RunOrder
from lmac.transitions import MachineKind
from lmac_sandbox import Engine
from scripted_server import SUMMARY_TOKENS, Says, Scripted, ScriptedServer, called

MODULE = 'def double(number: int) -> int:\n    """Twice the number: größer."""\n    return number * 2\n'
TESTS = "from doubling import double\n\n\ndef test_doubles() -> None:\n    assert double(4) == 8\n"
WRONG_MODULE = MODULE.replace("* 2", "* 3")

ONE_STEP = Says("1. Write doubling.py with double(), and tests. (files: doubling.py, test_doubling.py)")
DONE = Says("DONE")
NATIVE_DONE = called(("done", {}))
NATIVE_ONE_STEP = called(
    ("program", {"instructions": [{"text": "Write doubling.py", "files": ["doubling.py"]}]})
)

SMALL_BOX: dict[str, Any] = {"wall_seconds": 20, "scratch_bytes": 32 * 2**20, "memory_bytes": 160 * 2**20}


def wrote(files: Mapping[str, str]) -> Says:
    """A reply in the fenced form that writes these files."""
    return Says("\n\n".join(f"FILE: {path}\n```\n{content}```" for path, content in files.items()))


def native_wrote(files: Mapping[str, str]) -> Scripted:
    """A reply that writes these files by native calls."""
    return called(*(("write", {"path": path, "content": content}) for path, content in files.items()))


GREEN_FILES = {"doubling.py": MODULE, "test_doubling.py": TESTS}
RED_FILES = {"doubling.py": WRONG_MODULE, "test_doubling.py": TESTS}


def write_profile(folder: Path, base_url: str, **changes: Any) -> Path:
    """A model profile of a server, as a YAML file."""
    server: dict[str, Any] = {"base_url": base_url, "model": "scripted", **changes.pop("server", {})}
    fields: dict[str, Any] = {
        "name": "scripted",
        **({} if "protocols" in changes else {"protocol": "fenced"}),
        "context_tokens": 16_000,
        "reply_tokens": 1024,
        "summary_tokens": SUMMARY_TOKENS,
        "call_seconds": 30,
        "seed": 1,
        "server": server,
    }
    path = folder / f"profile-{secrets.token_hex(3)}.yaml"
    path.write_text(yaml.safe_dump({**fields, **changes}))
    return path


def scripted_order(
    folder: Path,
    server: ScriptedServer,
    image_id: str,
    *,
    config: Mapping[str, Any] | None = None,
    acceptance: Mapping[str, bytes] | None = None,
    machine: MachineKind = MachineKind.CONTROL_UNIT,
    **profile: Any,
) -> RunOrder:
    """A run of a small task in a fresh folder, with small boxes."""
    settings = {"image": image_id, "box": SMALL_BOX, **(config or {})}
    # Scripts begin with the program: the task numbers no requirements, and none are asked for.
    settings["machine"] = {"requirement_tries": 0, **settings.get("machine", {})}
    run_config = RunConfig.model_validate(settings)
    return RunOrder(
        task=Task(
            "Write doubling.py with double(number), pkg/halving.py with half(number), and tests.",
            "doubling",
        ),
        config=run_config,
        profile=load_profile(str(write_profile(folder, server.base_url, **profile))),
        checks=load_checks(run_config).checks,
        image_id=image_id,
        folder=folder / "runs" / f"scripted-{secrets.token_hex(4)}",
        acceptance=acceptance,
        machine=machine,
        cache=folder / "cache",
    )


def delivered(folder: Path) -> dict[str, str]:
    """The exported files of a run, by relative path, their bytes as they are."""
    files = folder / "files"
    found = (path for path in files.rglob("*") if path.is_file())
    return {path.relative_to(files).as_posix(): path.read_bytes().decode() for path in found}


def events(folder: Path, kind: str) -> list[Event]:
    """The journal's events of one kind; reading them checks the chain from its beginning."""
    return [event for event in list(read_journal(folder)) if event.kind == kind]


def observations(folder: Path) -> list[str]:
    """What the model was told of its actions, in order."""
    return [read_blob(folder, event.data["text"]).decode() for event in events(folder, "observation")]


def decisions(folder: Path) -> list[str]:
    """What the control unit decided, in order."""
    return [event.data["what"] for event in events(folder, "decision")]


def report_of(folder: Path) -> dict[str, Any]:
    """`report.json`, decoded."""
    found: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return found


def leftovers(engine: Engine, run_id: str) -> int:
    """Containers and volumes that bear the run's label."""
    labels = {"lmac.run": run_id}
    return len(engine.containers(labels)) + len(engine.volumes(labels))
