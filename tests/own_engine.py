"""A container engine of a test's own, which may be killed: nobody else's containers are in it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lmac_sandbox import Engine, SandboxError

START_SECONDS = 60.0
AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """A daemon with all of its files in one folder."""

    folder: Path
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def start(self) -> None:
        """Return when it answers."""
        places = {
            "data-root": "data",
            "exec-root": "exec",
            "pidfile": "docker.pid",
        }
        options = [f"--{name}={self.folder / place}" for name, place in places.items()]
        # Boxes have no network, and the other daemon's rules stay as they are.
        options += [f"--host={self.url}", "--bridge=none", "--iptables=false", "--ip6tables=false"]
        (self.folder / "docker.pid").unlink(missing_ok=True)
        # The daemon's own containerd died with it. Its number may be another process's by now, for which the
        # next daemon would wait in vain.
        subprocess.run([*AS_ROOT, "rm", "-f", f"{self.folder}/exec/containerd/containerd.pid"], check=True)
        with (self.folder / "log").open("ab") as log:
            self.daemons.append(
                subprocess.Popen(
                    [*AS_ROOT, "dockerd", *options],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        began = time.monotonic()
        while not self._answers():
            assert time.monotonic() - began < START_SECONDS, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.2)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the daemon alone."""
        pid = (self.folder / "docker.pid").read_text().strip()
        subprocess.run([*AS_ROOT, "kill", f"-{number.value}", pid], check=True)

    def _answers(self) -> bool:
        try:
            with Engine.connect(self.url):
                return True
        except SandboxError:
            return False


@contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """One that runs; gone afterwards with all that it held."""
    # A socket's path may have 107 characters.
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="lmac-engine-", dir="/tmp")))
    try:
        engine.start()
        yield engine
    finally:
        if (engine.folder / "docker.pid").exists():
            engine.send(signal.SIGTERM)
        for daemon in engine.daemons:
            daemon.wait(START_SECONDS)
        # What a killed daemon has left is no other daemon's child, and runs on.
        for pid in _left_running(engine.folder):
            subprocess.run([*AS_ROOT, "kill", "-KILL", pid], check=False, stderr=subprocess.DEVNULL)
        for place in _mounted_below(engine.folder):
            subprocess.run([*AS_ROOT, "umount", place], check=True)
        subprocess.run([*AS_ROOT, "rm", "-rf", "--one-file-system", str(engine.folder)], check=True)


def _left_running(folder: Path) -> list[str]:
    """The shims of the engine's containers, whose command names its folder, and their children."""
    parents: dict[str, str] = {}
    shims: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[process.name] = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if f"{folder}/".encode() in (process / "cmdline").read_bytes():
                shims.append(process.name)
        except OSError:
            continue
    return [*(pid for pid, parent in parents.items() if parent in shims), *shims]


def _mounted_below(folder: Path) -> list[str]:
    """What a daemon that was killed has left mounted, the last one first."""
    mounted = (line.split(" ")[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    return [place for place in mounted if Path(place).is_relative_to(folder)][::-1]
