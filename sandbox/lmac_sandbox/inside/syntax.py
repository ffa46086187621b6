"""The syntax check: compiles every Python file below the working folder, runs none, answers in JSON.

Starts before any generated code does; a file that is a bomb for the parser meets the box's memory limit.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tokenize
import warnings
from collections.abc import Iterator

MOST_FAULTS = 100
TEXT_CHARACTERS = 500
_ENCODINGS = frozenset({"utf-8", "utf-8-sig"})
"""Linters take every file for UTF-8: in another encoding a comment of theirs may be code of Python's."""


def main() -> None:
    """Print `{"files": n, "faults": [{"path", "line", "text"}]}`."""
    # An invalid escape in a string is a warning of the compiler and nothing to fail for.
    warnings.simplefilter("ignore")
    files = 0
    faults: list[dict[str, object]] = []
    for path in sorted(_python_files(".")):
        files += 1
        if len(faults) < MOST_FAULTS and (fault := _fault(path)):
            faults.append(fault)
    sys.stdout.write(json.dumps({"files": files, "faults": faults}))


def _python_files(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (os.path.relpath(os.path.join(parent, name)) for name in names if name.endswith(".py"))


def _fault(path: str) -> dict[str, object] | None:
    with open(path, "rb") as file:
        source = file.read()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        if encoding not in _ENCODINGS:
            return _told(
                path, 1, f"the file is declared as {encoding}: write UTF-8, as every other reader expects"
            )
        compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return _told(path, error.lineno or 1, f"{error.msg}: {(error.text or '').strip()}")
    except (ValueError, RecursionError, MemoryError) as error:
        return _told(path, 1, f"{type(error).__name__}: {error}")
    return None


def _told(path: str, line: int, text: str) -> dict[str, object]:
    return {"path": path, "line": line, "text": text[:TEXT_CHARACTERS]}
