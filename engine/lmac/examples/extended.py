"""From an existing folder: its files are extended, and its tests have to go on passing.

python -m lmac.examples.extended my-config.yaml my-project/
"""

from __future__ import annotations

import sys
from pathlib import Path

import lmac


def main(config: Path, folder: Path) -> lmac.RunResult:
    """Add a function to the modules of a folder, which itself stays as it is."""
    result = lmac.generate_codebase(
        "Add halving.py with half(number), which returns half of the number, and tests.",
        config,
        start_from=folder,
    )
    for path, reason in result.left_out:
        print(f"left out: {path} ({reason})")
    print(f"{result.outcome.value}: look at {result.folder}/files")
    return result


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])).exit_code)
