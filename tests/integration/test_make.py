"""What a user types first: the Makefile and the two scripts behind it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PROVIDE_ENGINE = CHECKOUT / "sandbox" / "provide_engine.sh"


def run(*argv: str | Path, cwd: Path = CHECKOUT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end, with what it says on both streams."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(argv, cwd=cwd, env={**own, **environment}, capture_output=True, text=True)


def write_program(path: Path, text: str) -> Path:
    """A shell script that can be started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    """Stand-ins for what changes a machine, first on the path; each use leaves a line in `touched`."""
    folder = tmp_path / "traps"
    for name in ("apt-get", "dockerd", "sudo", "systemctl"):
        write_program(folder / name, f'echo "{name} $*" >>"{tmp_path}/touched"')
    return folder


def test_make_alone_lists_every_target_in_one_line_each() -> None:
    targets = re.search(r"^\.PHONY: (.+)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert targets

    listed = run("make").stdout.splitlines()

    assert [line.split()[1] for line in listed] == targets[1].split()
    assert all(len(line.split()) > 3 for line in listed)


@pytest.mark.engine
def test_an_engine_that_answers_is_left_alone_without_a_word(traps: Path) -> None:
    done = run("sh", PROVIDE_ENGINE, PATH=f"{traps}:{os.environ['PATH']}")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (traps.parent / "touched").exists()


@pytest.mark.parametrize("address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "nonsense"])
def test_a_named_engine_that_is_silent_is_an_error_and_nothing_is_installed(
    traps: Path, address: str
) -> None:
    done = run("sh", PROVIDE_ENGINE, PATH=f"{traps}:{os.environ['PATH']}", DOCKER_HOST=address)

    assert done.returncode == 5
    assert f"nothing answers at DOCKER_HOST={address}" in done.stderr
    assert "next: start that engine, or unset DOCKER_HOST" in done.stderr
    assert not (traps.parent / "touched").exists()


BARE = "mount -t tmpfs tmpfs /run && mount -t tmpfs -o ro tmpfs /var/log"
"""A machine on which no engine is known, and whose log folder nobody can write to."""

ANSWERS = """exec python3 - "$1" <<'END'
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
listening.settimeout(5)
try:
    while True:
        asked = listening.accept()[0]
        asked.recv(1024)
        asked.sendall(b"HTTP/1.0 200 OK" + b"\\r\\n" * 2)
        asked.close()
except TimeoutError:
    pass
END"""
"""An engine as far as the script asks it; ends when nobody has asked for five seconds."""


def provide_on_a_bare_machine(traps: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a mount namespace of its own, which ends with it; the folder is for caches and sockets."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command: list[str | Path] = [
        "unshare",
        "--mount",
        *as_root,
        "sh",
        "-c",
        f'{BARE} && exec "$@"',
        "sh",
        "sh",
        PROVIDE_ENGINE,
    ]
    path = f"{traps}:{os.environ['PATH']}"
    return run(*command, PATH=path, DOCKER_HOST="", XDG_RUNTIME_DIR=str(folder), XDG_CACHE_HOME=str(folder))


def test_a_rootless_engine_is_pointed_out_and_no_second_one_is_installed(traps: Path, tmp_path: Path) -> None:
    address = tmp_path / "docker.sock"
    with subprocess.Popen([write_program(tmp_path / "engine", ANSWERS), address]):
        await_path(address)
        done = provide_on_a_bare_machine(traps, tmp_path)

    assert done.returncode == 5
    assert f"next: export DOCKER_HOST=unix://{address}" in done.stderr
    assert not (tmp_path / "touched").exists()


def await_path(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_log_folder_that_cannot_be_written_to_is_passed_over(traps: Path, tmp_path: Path) -> None:
    write_program(traps / "dockerd", f"set -- /run/docker.sock\n{ANSWERS}")

    done = provide_on_a_bare_machine(traps, tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"engine: starting dockerd (log: {tmp_path}/lmac/dockerd.log)\n"
    assert (tmp_path / "lmac" / "dockerd.log").exists()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment stands; its Python notes what it is called with."""
    folder = tmp_path / "checkout"
    (folder / "engine").mkdir(parents=True)
    shutil.copy(CHECKOUT / "engine" / "provide_venv.sh", folder / "engine")
    (folder / "pyproject.toml").write_text("[project]\n")
    write_program(folder / "new-python", f'{NOTES_CALLS}; if [ "$2" = venv ]; then {MAKES_VENV}; fi')
    assert set_up(folder).returncode == 0
    (folder / "calls").unlink()
    return folder


NOTES_CALLS = 'echo "$0 $*" >>calls'
MAKES_VENV = "mkdir -p .venv/bin; for made in python lmac; do cp new-python .venv/bin/$made; done"


def set_up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("sh", "engine/provide_venv.sh", cwd=folder, PYTHON="./new-python", **environment)


def calls(folder: Path) -> str:
    return (folder / "calls").read_text() if (folder / "calls").exists() else ""


def test_an_environment_that_stands_is_not_set_up_again(checkout: Path) -> None:
    done = set_up(checkout)

    assert (done.returncode, done.stdout, calls(checkout)) == (0, "", "")


def test_a_changed_pyproject_installs_into_the_same_environment(checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text("[project]\nname = 'lmac'\n")

    said = set_up(checkout).stdout

    assert said.count("\n") == 1
    assert "pip install" in calls(checkout)
    assert "venv --clear" not in calls(checkout)


def test_a_moved_checkout_gets_a_new_environment(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("moved"))

    set_up(moved)

    assert "-m venv --clear .venv" in calls(moved)


def test_another_checkouts_environment_is_not_emptied_through_a_link(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (checkout / ".venv").rename(other)
    (checkout / ".venv").symlink_to(other)
    before = sorted(other.rglob("*"))
    done = set_up(checkout)
    (checkout / "pyproject.toml").write_text("[project]\nname = 'lmac'\n")
    refused = set_up(checkout)

    assert (done.returncode, refused.returncode) == (0, 2)
    assert f".venv is a link to {other}" in refused.stderr
    assert "rm .venv" in refused.stderr
    assert sorted(other.rglob("*")) == before


def test_a_failed_installation_is_tried_again(checkout: Path) -> None:
    write_program(checkout / ".venv/bin/python", f'{NOTES_CALLS}; [ "$2" != pip ]')
    (checkout / "pyproject.toml").write_text("[project]\nname = 'lmac'\n")

    failed, again = set_up(checkout), set_up(checkout)

    assert (failed.returncode, again.returncode) == (2, 2)
    assert "next: check the network" in failed.stderr


def test_a_python_that_is_too_old_is_named(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    write_program(checkout / "new-python", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')

    done = set_up(checkout)

    assert done.returncode == 2
    assert "Python 3.11 or newer is needed; found: Python 3.9.2" in done.stderr
    assert "PYTHON=/path/to/python3" in done.stderr


def test_what_debian_leaves_out_of_python_is_installed_and_said(checkout: Path, traps: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    lacks = 'case "$*" in *ensurepip*) exit 1 ;; *print*) echo 3.11 ;; esac'
    makes = f'if [ "$2" = venv ]; then {MAKES_VENV}; fi'
    write_program(checkout / "new-python", f"{lacks}; {makes}")

    done = set_up(checkout, PATH=f"{traps}:{os.environ['PATH']}")

    assert done.returncode == 0
    assert "setup: installing python3.11-venv" in done.stdout
    assert "python3.11-venv" in (traps.parent / "touched").read_text()


def test_ci_types_what_the_readme_tells_a_user() -> None:
    script = CHECKOUT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert "for target in check test test-all; do" in script.read_text()
