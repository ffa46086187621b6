"""Whole runs with a key: a server that repeats it, processes and containers beside, a run that fails."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from command_line import Shell
from lmac.redaction import KEY_SHOWN
from lmac_sandbox import Engine
from scripted_runs import DONE, GREEN_FILES, ONE_STEP, SMALL_BOX, delivered, events, write_profile, wrote
from scripted_server import Body, Scripted, ScriptedServer

pytestmark = pytest.mark.engine

KEY = "sk-whole-run/0123456789abcdef"


class Refusing(ScriptedServer):
    """Answers every request with 400 and the key that it came with."""

    def reply_to(self, body: Body) -> str:
        return f"no credit for {KEY}"


def command_lines() -> bytes:
    """Of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return b"\n".join(found)


def all_bytes(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_key_reaches_no_file_container_command_line_or_terminal(tmp_path: Path, image_id: str) -> None:
    name = f"secret-{secrets.token_hex(4)}"
    files = GREEN_FILES | {"notes.txt": f"The key is {KEY}.\n"}
    script = iter([ONE_STEP, wrote(files), DONE])
    seen: list[bytes] = []

    def answer(body: Body) -> Scripted:
        with Engine.connect() as engine:
            for container_id in engine.containers({"lmac.run": name}):
                with engine.call("look at a container") as client:
                    seen.append(json.dumps(client.api.inspect_container(container_id)).encode())
        seen.append(command_lines())
        seen.append(json.dumps(body).encode())
        return next(script)

    with ScriptedServer(answer, summary=f"It is {KEY}.") as server:
        profile = write_profile(tmp_path, server.base_url, server={"api_key_env": "OUR_KEY"})
        config = {"model": str(profile), "image": image_id, "box": SMALL_BOX}
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        (tmp_path / "task.md").write_text("Write doubling.py with double(number), and tests.")
        ended = Shell(tmp_path).lmac("run", "task.md", "-c", "config.yaml", "--id", name, OUR_KEY=KEY)

    assert ended.code == 0, ended.stderr
    folder = tmp_path / "runs" / name
    assert delivered(folder)["notes.txt"] == f"The key is {KEY_SHOWN}.\n"
    assert len(seen) > 6
    assert KEY.encode() not in b"".join(seen)
    assert KEY.encode() not in all_bytes(folder)
    assert KEY not in ended.stdout + ended.stderr


def test_a_run_that_fails_on_words_with_the_key_tells_them_without_it(tmp_path: Path, image_id: str) -> None:
    name = f"secret-{secrets.token_hex(4)}"

    with Refusing([]) as server:
        profile = write_profile(tmp_path, server.base_url, server={"api_key_env": "OUR_KEY"})
        config = {"model": str(profile), "image": image_id, "box": SMALL_BOX}
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        ended = Shell(tmp_path).lmac(
            "run", "Write a module a.py", "-c", "config.yaml", "--id", name, "--json", OUR_KEY=KEY
        )

    assert ended.code == 4, ended.stderr
    folder = tmp_path / "runs" / name
    assert KEY_SHOWN in events(folder, "model_error")[0].data["text"]
    assert f"no credit for {KEY_SHOWN}" in json.loads((folder / "report.json").read_text())["error"]
    assert KEY.encode() not in all_bytes(folder)
    assert KEY not in ended.stdout + ended.stderr
