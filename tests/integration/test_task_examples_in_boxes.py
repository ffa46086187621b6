"""A task's examples, judged in a box by way of the modules that they use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lmac.evaluation import CheckResult, Verdict
from lmac.evaluation.due import Due
from lmac.evaluator import Evaluator
from lmac.shipped import shipped_folder
from lmac.task_examples import examples_of
from lmac.task_examples.stated_names import stated_names
from lmac.task_examples.suite import examples_suite
from lmac_sandbox import Engine, Keeper, Limits, Owner, Pool, Volume

pytestmark = pytest.mark.engine

REFERENCE = Path(__file__).parent.parent / "reference"
TASK = """Write `m.py` with `f(x)`, `g(x)` and `Box`.

f(2) == 4
f([1.0]) == [0.1]
`g(1)` is `1`
>>> f("")
Traceback (most recent call last):
ValueError: empty

```python
box = Box()
box.put({"a": (1, 2)})
box.all()  # [{"a": (1, 2)}]
```
"""
WRONG = """
def f(x):
    return 5 if x == 2 else [0.1 + 1e-9] if x == [1.0] else None
class Box:
    def put(self, item):
        self.item = item
    def all(self):
        raise NotImplementedError
"""
Judge = Callable[..., CheckResult]


@pytest.fixture
def judge(engine: Engine, volume: Volume, keeper: Keeper, image_id: str, owner: Owner) -> Judge:
    def judged(task: str, files: dict[str, bytes], whole: bool = True) -> CheckResult:
        digest = keeper.write_many(files)
        with Pool(engine, volume, image_id, owner, Limits()) as pool:
            evaluator = Evaluator(pool, (), suites=(examples_suite(examples_of(task), stated_names(task)),))
            return evaluator.evaluate(digest, due=Due(whole)).results[0]

    return judged


@pytest.mark.parametrize("name", sorted(path.name for path in REFERENCE.iterdir()))
def test_the_reference_solutions_do_what_their_tasks_say(name: str, judge: Judge) -> None:
    files = {path.name: path.read_bytes() for path in (REFERENCE / name).glob("*.py")}
    task = (shipped_folder("configs") / "tasks" / name / "task.md").read_text("utf-8")
    judged = judge(task, files)

    assert judged.verdict is Verdict.PASSED, judged.findings
    assert not judged.claimed


@pytest.mark.parametrize("whole", [True, False])
def test_a_finding_says_what_came_and_what_the_task_says(whole: bool, judge: Judge) -> None:
    judged = judge(TASK, {"m.py": WRONG.encode()}, whole)

    assert [(finding.where, finding.text, finding.blocking) for finding in judged.findings] == [
        ("example in line 3 of the task", "f(2) gave 5, the task says 4", True),
        ("example in line 5 of the task", "the task uses g, and module m does not define it", whole),
        (
            "example in line 6 of the task",
            'f("") gave None, the task says that it raises ValueError',
            True,
        ),
        (
            "example in line 13 of the task",
            "box.all() raised NotImplementedError; the task says [{'a': (1, 2)}]",
            whole,
        ),
    ]


def test_a_module_that_does_not_come_up_is_no_absent_one(judge: Judge) -> None:
    judged = judge(TASK, {"m.py": b"import nowhere\n"}, False)

    assert judged.verdict is Verdict.FAILED
    assert "importing m raised" in judged.findings[0].text
    assert judged.findings[0].blocking


def test_a_store_without_the_module_passes_nothing(judge: Judge) -> None:
    assert judge(TASK, {"other.py": b""}).verdict is Verdict.FAILED


STATING = """Write `m.py`.

`double(n)` doubles. `Box()` makes a box.
`put(item)` stores an item. `take()` removes it.
`Box.swap(item)` does both. `Full` is an exception.
"""


@pytest.mark.parametrize("whole", [True, False])
def test_names_that_the_task_states_are_defined_anywhere_in_their_module(whole: bool, judge: Judge) -> None:
    source = b"""
from collections import deque as Full

def double(n):
    return 2 * n
class Base:
    def put(self, item):
        self.item = item
class Box(Base):
    pass
def swap(item):
    pass
"""
    judged = judge(STATING, {"m.py": source}, whole)

    assert [(finding.where, finding.text, finding.blocking) for finding in judged.findings] == [
        ("names in line 4 of the task", "the task uses take, and module m does not define it", whole),
        ("names in line 5 of the task", "the task uses Box.swap, and module m does not define it", whole),
    ]


def test_each_step_that_states_something_is_judged_by_itself(judge: Judge) -> None:
    task = (
        "Write `m.py` with `Box`.\n\n```python\nbox = Box()\nbox.put(1)  # 1\nbox.put(2)  # 2\n"
        "box.all()  # [1, 2]\n```\n"
    )
    source = b"""
class Box:
    def __init__(self):
        self.items = []
    def put(self, item):
        self.items.insert(0, item)
        return None if item == 1 else item
    def all(self):
        return self.items
"""
    judged = judge(task, {"m.py": source})

    assert (judged.passed_count, judged.failed_count) == (1, 2)
    assert [(finding.where, finding.text) for finding in judged.findings] == [
        ("example in line 5 of the task", "box.put(1) gave None, the task says 1"),
        ("example in line 7 of the task", "box.all() gave [2, 1], the task says [1, 2]"),
    ]
