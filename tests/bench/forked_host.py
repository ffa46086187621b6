"""The same checks without isolation: `python -m bench.forked_host FOLDER` forks for each line that it reads.

pytest and its plugins are imported before; each fork compiles the files, runs ruff and then a session, as a
tool on the host would that wants to be quick. It answers with the exit code, and `0` is green.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.config import default_plugins


def main(folder: str, ruff: tuple[str, ...]) -> None:
    """Serve until stdin ends."""
    for plugin in default_plugins:
        importlib.import_module(f"_pytest.{plugin}")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.chdir(folder)
    print("ready", file=answers)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(_check(ruff))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers)


def _check(ruff: tuple[str, ...]) -> int:
    for path in Path().glob("*.py"):
        compile(path.read_bytes(), path, "exec", dont_inherit=True)
    linted = subprocess.run(ruff, stdout=subprocess.DEVNULL, check=False).returncode
    return linted or pytest.main(["-q", "--tb=short", "-p", "no:cacheprovider", "-c", os.devnull, "."])


if __name__ == "__main__":
    main(sys.argv[1], tuple(sys.argv[2:]))
