"""The syntax check of JavaScript: one node parses every file and runs none; answers in JSON.

The answer: `{"files": n, "faults": [{"path", "line", "text"}]}`. A file that is a bomb for the parser meets
the box's memory limit.
"""

from __future__ import annotations

import json
import subprocess
import sys

from .patterns import matching_files

NODE = "/usr/bin/node"
PARSER = "/opt/lmac/parse.mjs"
MOST_FAULTS = 100
TEXT_CHARACTERS = 500


def main() -> None:
    """Print the answer."""
    files = matching_files(("*.js", "*.mjs", "*.cjs"))
    told = json.dumps({"files": len(files), "faults": _faults(files) if files else []})
    sys.stdout.write(told)


def _faults(files: list[str]) -> list[dict[str, object]]:
    # Modules are parsed by a class that node still calls an experiment, and says so on stderr.
    command = [NODE, "--experimental-vm-modules", "--no-warnings", PARSER]
    done = subprocess.run(command, input=json.dumps(files), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"node ended with {done.returncode}: {done.stderr[-500:]}", file=sys.stderr)
        sys.exit(1)
    faults = json.loads(done.stdout)[:MOST_FAULTS]
    return [{"path": path, "line": line, "text": text[:TEXT_CHARACTERS]} for path, line, text in faults]
