"""The console script as a user's shell runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LMAC = Path(sys.executable).with_name("lmac")
KEPT_VARIABLES = ("PATH", "HOME", "PYTHONPATH", "LANG")


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs `lmac` in a folder, with the few variables that it needs and those that a test adds."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return {**kept, **self.variables, **more}

    def lmac(self, *arguments: str, wall_seconds: float = 60.0, **variables: str) -> Ended:
        """One command from its start to its end."""
        done = subprocess.run(
            [LMAC, *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            encoding="utf-8",
            timeout=wall_seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """One command in a process group of its own, as a shell starts it."""
        return subprocess.Popen(
            [LMAC, *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left on the terminal."""

    code: int
    stdout: str
    stderr: str

    def complained(self, code: int, *words: str) -> None:
        """Assert an exit code and a message with these words, and that no traceback is shown."""
        assert self.code == code, self.stderr
        assert "Traceback" not in self.stderr
        for word in words:
            assert word in self.stderr, self.stderr
