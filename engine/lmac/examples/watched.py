"""A stream of events: shows files as they are written, and ends the run when enough calls were made.

python -m lmac.examples.watched my-config.yaml
"""

from __future__ import annotations

import sys
from pathlib import Path

import lmac

MOST_CALLS = 20


def main(config: Path, most_calls: int = MOST_CALLS) -> lmac.RunResult:
    """Run a small task under watch; leaving the `with` block early cancels what is still running."""
    calls = 0
    with lmac.stream(
        "Write doubling.py with double(number), which returns twice the number, and tests.", config
    ) as run:
        for event in run:
            if event.kind == "observation" and event.data["action"] == "write":
                print(f"wrote {event.data['arguments']['path']}")
            calls += event.kind == "reply"
            if calls > most_calls:
                break
    return run.result


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])).exit_code)
