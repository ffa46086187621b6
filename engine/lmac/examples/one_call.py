"""One call: a task in, a typed result out.

python -m lmac.examples.one_call my-config.yaml
"""

from __future__ import annotations

import sys
from pathlib import Path

import lmac


def main(config: Path) -> lmac.RunResult:
    """Run a small task and say what came of it."""
    result = lmac.generate(
        "Write doubling.py with double(number), which returns twice the number, and tests.", config
    )
    print(f"{result.outcome.value}: {result.files} files in {result.folder}/files")
    if result.checks is not None:
        for check in result.checks.results:
            print(f"  {check.check}: {check.verdict.value}")
    return result


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])).exit_code)
