"""Run node's tests and tell what came of them, beside what a reading of the files expects; answers in JSON.

node's test runner gives each file a process of its own and reads what it says from its stdout. A reporter of
the image's, loaded into the runner alone, writes every event to a socket that test processes do not inherit
and cannot open through /proc, as they could a pipe. They are of the same user, though, and may end the runner
or lie to it: what comes of it is a claim, and a runner that a signal ended has not finished.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from .patterns import fits, matching_files

NODE = "/usr/bin/node"
REPORTER = "/opt/lmac/reporter.mjs"
READER = "/opt/lmac/expected_tests.mjs"
EVENTS_BYTES = 2**20
WORDS_BYTES = 4096
MOST_TOLD = 1000
NAME_CHARACTERS = 300
TEXT_CHARACTERS = 1500

# What node finds by itself. Source: its documentation, "Test runner execution model".
_STEMS = ("test", "test-*", "*.test", "*-test", "*_test")
_NAMES = tuple(f"{stem}.{ending}" for stem in _STEMS for ending in ("js", "cjs", "mjs"))
_ANY_NAME = ("*.js", "*.cjs", "*.mjs")


def main() -> None:
    """Print the answer."""
    files = [path for path in matching_files(_ANY_NAME) if _is_test(path)]
    answer: dict[str, Any] = {"files": files, "expected": [], "results": []}
    answer |= {"finished": False, "exit_code": 0, "words": ""}
    if files:
        # Read before any of them runs.
        answer["expected"] = _expected(files)
        answer |= _session(files)
    sys.stdout.write(json.dumps(answer))


def _is_test(path: str) -> bool:
    return fits(path, _NAMES) or "test" in path.split("/")[:-1]


def _expected(files: list[str]) -> list[list[object]]:
    """Path, name and line of every test whose name is written down."""
    told = subprocess.run(
        [NODE, READER], input=json.dumps(files), capture_output=True, text=True, check=False, cwd="."
    )
    if told.returncode != 0:
        print(f"reading the tests failed: {told.stderr[-500:]}", file=sys.stderr)
        sys.exit(1)
    return [[path, _cut(name), line] for path, name, line in json.loads(told.stdout)[: 5 * MOST_TOLD]]


def _session(files: list[str]) -> dict[str, Any]:
    """Results, and the runner's exit code: -9 when signal 9 ended it."""
    reader, writer = (end.detach() for end in socket.socketpair())
    # The job's own limits hold; one file after the other keeps threads below them on any machine.
    options = ("--test", "--test-concurrency=1", f"--test-reporter={REPORTER}")
    with tempfile.TemporaryFile() as words, os.fdopen(reader, "rb") as events:
        process = subprocess.Popen(
            [NODE, *options, *(f"./{path}" for path in files)],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=(writer,),
            env={**os.environ, "LMAC_EVENTS": str(writer)},
        )
        os.close(writer)
        lines = events.read(EVENTS_BYTES + 1)
        if len(lines) > EVENTS_BYTES:
            process.kill()
        code = process.wait()
        words.seek(max(words.seek(0, 2) - WORDS_BYTES, 0))
        said = words.read().decode("utf-8", "replace")
    told = [json.loads(line) for line in lines.split(b"\n")[:-1]]
    ended = bool(told) and told[-1].get("type") == "end"
    finished = ended and code >= 0 and len(lines) <= EVENTS_BYTES
    results = list(_results(told, files))
    if len(results) > MOST_TOLD:
        failed = [one for one in results if one["outcome"] != "passed"]
        results = (failed + [one for one in results if one["outcome"] == "passed"])[: 5 * MOST_TOLD]
    return {"results": results, "finished": finished, "exit_code": code, "words": said}


def _results(events: list[dict[str, Any]], files: list[str]) -> Iterator[dict[str, object]]:
    """One a test; suites only when they fail of themselves, files only when they tell no test of theirs."""
    begun: dict[tuple[str, str, object], int] = {}
    for event in events:
        path = os.path.relpath(str(event.get("file") or "."))
        name = _cut(str(event.get("name", "")))
        key = (path, name, event.get("line"))
        match event.get("type"):
            case "test:enqueue" if not _is_file(name, files):
                begun[key] = begun.get(key, 0) + 1
            case "test:pass" | "test:fail" as kind:
                begun[key] = begun.get(key, 0) - 1
                if one := _result(event, kind == "test:pass", _is_file(name, files), path, name):
                    yield one
    for (path, name, line), count in begun.items():
        if count > 0:
            yield _one(path, name, line, "unfinished", "it began and has no result")


def _is_file(name: str, files: list[str]) -> bool:
    return os.path.isabs(name) and os.path.relpath(name) in files


def _result(
    event: dict[str, Any], passed: bool, is_file: bool, path: str, name: str
) -> dict[str, object] | None:
    line, text = event.get("line"), str(event.get("error") or "")
    if is_file:
        said = "the file ended without telling of a test" if passed else text or "the file failed"
        return _one(path, os.path.basename(path), 1, "no tests" if passed else "failed", said)
    for kind in ("skip", "todo"):
        if event.get(kind) not in (None, False):
            why = event[kind] if isinstance(event[kind], str) else ""
            return _one(path, name, line, "skipped" if kind == "skip" else kind, why)
    if event.get("suite"):
        return None if passed else _one(path, name, line, "failed", text)
    return _one(path, name, line, "passed" if passed else "failed", "" if passed else text)


def _one(path: str, name: str, line: object, outcome: str, text: str) -> dict[str, object]:
    return {"path": path, "name": name, "line": line, "outcome": outcome, "text": text[:TEXT_CHARACTERS]}


def _cut(name: str) -> str:
    return name[:NAME_CHARACTERS]
