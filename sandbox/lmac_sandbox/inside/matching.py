"""Run a command if there are files for it: once, or once a file; answers in JSON.

The order is the first argument, as JSON: `files` (shell patterns); `command`; `each_file`: `{file}` in it is
a path; `report`: `{report}` in it is a file that is read instead of stdout. The answer: `{"files": n, "runs":
[...]}`; each run has `path`, `exit_code` (below 0: a signal), `stdout` and `stderr` in base64, and `cut`.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
from typing import IO, Any

from .patterns import matching_files
from .tree import Tree

CANNOT_START = 127
"""Exit code: there is no such command, or it cannot be executed."""
STREAM_BYTES = 1280 * 2**10
"""Kept of stdout where a command runs once: in base64, what a job's output keeps without a cut."""
WORDS_BYTES = 4096
"""Kept of stderr, and of both streams of a run for one file; the end of them."""
MOST_WORDS = 50
"""Runs that failed whose words are kept."""


def main() -> None:
    """Print the answer; exit code 0 whatever the command says, or `CANNOT_START`."""
    order = json.loads(sys.argv[1])
    files = matching_files(order["files"])
    command = [str(argument) for argument in order["command"]]
    runs: list[dict[str, Any]] = []
    if order["each_file"]:
        failed = 0
        for path in files:
            # "./": no name of a file shall be an option of the command.
            one = _run(_with(command, "{file}", f"./{path}"), path, WORDS_BYTES)
            failed += one["exit_code"] != 0
            if one["exit_code"] == 0 or failed > MOST_WORDS:
                one |= {"stdout": "", "stderr": ""}
            runs.append(one)
    elif files and order["report"]:
        runs.append(_run_with_report(command))
    elif files:
        runs.append(_run(command, "", STREAM_BYTES))
    sys.stdout.write(json.dumps({"files": len(files), "runs": runs}))


def _with(command: list[str], place: str, value: str) -> list[str]:
    return [argument.replace(place, value) for argument in command]


def _run_with_report(command: list[str]) -> dict[str, Any]:
    """A run whose `stdout` is the report that it left; none left is an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        one = _run(_with(command, "{report}", f"{folder}/report"), "", WORDS_BYTES)
        one |= {"stdout": "", "cut": False}
        tree = Tree(folder)
        try:
            report = tree.read("report", STREAM_BYTES)
        except OSError:
            return one
        finally:
            tree.close()
        content = base64.b64encode(report).decode("ascii")
        return one | {"stdout": content, "cut": len(report) > STREAM_BYTES}


def _run(command: list[str], path: str, stream_bytes: int) -> dict[str, Any]:
    # Files, not pipes: whoever keeps a pipe open would keep this program waiting.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False)
        except OSError as error:
            print(f"{command[0]}: {error.strerror}", file=sys.stderr)
            sys.exit(CANNOT_START)
        stdout, cut = _kept(out, stream_bytes)
        stderr, _ = _kept(err, WORDS_BYTES)
    return {"path": path, "exit_code": done.returncode, "stdout": stdout, "stderr": stderr, "cut": cut}


def _kept(stream: IO[bytes], most_bytes: int) -> tuple[str, bool]:
    """The last bytes in base64, and whether others were before them."""
    size = stream.seek(0, 2)
    stream.seek(max(size - most_bytes, 0))
    return base64.b64encode(stream.read(most_bytes)).decode("ascii"), size > most_bytes
