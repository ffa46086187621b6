"""How soon the program is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.figures import Measured, figure, median_seconds

TIMES = 7


@figure("s", at_most=0.3)
def import_lmac_seconds() -> Measured:
    """A fresh interpreter that imports `lmac`."""
    bare, run = (_python_seconds(code) for code in ("pass", "import lmac.run"))
    return Measured(
        _python_seconds("import lmac"), f"bare interpreter {bare:.3f} s, `import lmac.run` {run:.3f} s"
    )


@figure("s", at_most=0.5)
def help_seconds() -> Measured:
    """`lmac --help`, as a user types it."""
    script = Path(sys.executable).with_name("lmac")
    return Measured(_seconds(str(script), "--help"), f"bare interpreter {_python_seconds('pass'):.3f} s")


def _python_seconds(code: str) -> float:
    return _seconds(sys.executable, "-c", code)


def _seconds(*argv: str) -> float:
    return median_seconds(TIMES, lambda: subprocess.run(argv, check=True, stdout=subprocess.DEVNULL))
