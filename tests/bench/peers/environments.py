"""A virtual environment for every peer, with pinned packages, below build/peers."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
PEERS_FOLDER = Path("build") / "peers"
INSTALL_SECONDS = 600.0


class NotInstalled(Exception):
    """A peer's packages are not to be had."""


def provide(peer: str) -> Path:
    """The interpreter of the peer's environment, which is made or renewed if need be.

    Raises:
        NotInstalled: pip's own last line says why.
    """
    folder = PEERS_FOLDER / peer
    requirements = HERE / "requirements" / f"{peer}.txt"
    python, record = folder / "bin" / "python", folder / "installed.txt"
    wanted = f"{sys.version}\n{folder.resolve()}\n{requirements.read_text('utf-8')}"
    if record.is_file() and record.read_text("utf-8") == wanted:
        return python
    print(f"installing {peer} into {folder}", flush=True)
    argv = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
    try:
        venv.create(folder, clear=True, with_pip=True)
        done = subprocess.run(
            (*argv, "-r", str(requirements)), capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalled(str(error)) from error
    if done.returncode != 0:
        raise NotInstalled(f"pip: {done.stderr.strip().rpartition(chr(10))[2]}")
    record.write_text(wanted, "utf-8")
    return python
