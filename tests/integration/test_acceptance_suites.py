"""The acceptance suites that ship with the tasks, judged themselves.

Subject and suite are our own files here, so the host may run them; the judge's own form is seen too.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from judged_boxes import Judge, outcomes
from lmac.evaluation import Verdict

CHECKOUT = Path(__file__).resolve().parents[2]
TASKS = (
    "stack-queue",
    "lru-cache",
    "url-shortener",
    "microblog",
    "chat",
    "recipes",
    "event-planner",
    "finance-tracker",
)
WALL_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Mutant:
    """One plausible bug, and the requirement whose test must notice it."""

    task: str
    file: str
    right: str
    """Stands exactly once in the reference solution."""
    wrong: str
    requirement: int

    def name(self) -> str:
        """Of its test."""
        return f"{self.task}: {(self.wrong or f'no {self.right}').splitlines()[0]}"


MUTANTS = (
    Mutant("stack-queue", "stack_queue.py", "self._items.pop()", "self._items.pop(0)", 3),
    Mutant("stack-queue", "stack_queue.py", "return self._items[-1]", "return self._items.pop()", 4),
    Mutant("stack-queue", "stack_queue.py", "self._waiting.popleft()", "self._waiting.pop()", 7),
    Mutant(
        "stack-queue",
        "stack_queue.py",
        "return self._waiting[0]",
        "return next(iter(self._waiting), None)",
        9,
    ),
    Mutant("stack-queue", "stack_queue.py", "return not self._items", "return not any(self._items)", 10),
    Mutant("stack-queue", "stack_queue.py", "= deque()", "= Queue.shared\n\n    shared = deque()", 12),
    Mutant("lru-cache", "lru_cache.py", "now_seconds >= end_seconds", "now_seconds > end_seconds", 6),
    Mutant("lru-cache", "lru_cache.py", "popitem(last=False)", "popitem()", 9),
    Mutant("lru-cache", "lru_cache.py", "key not in self._entries and len(self", "len(self", 9),
    Mutant("lru-cache", "lru_cache.py", "self._clock = clock", "self._clock = time.monotonic", 6),
    Mutant(
        "lru-cache", "lru_cache.py", "return key in self._entries", "return self.get(key) is not None", 12
    ),
    Mutant("lru-cache", "lru_cache.py", "_checked(ttl_seconds) or self._ttl", "self._ttl", 5),
    Mutant("url-shortener", "base62.py", "ascii_uppercase + string.ascii_lowercase", "ascii_letters", 1),
    Mutant("url-shortener", "shortener.py", "{3,30}", "{3,}", 11),
    Mutant("url-shortener", "shortener.py", "not parts.hostname", "False", 10),
    Mutant(
        "url-shortener",
        "shortener.py",
        " in self._store:\n            self._next",
        " in ():\n            self._next",
        13,
    ),
    Mutant("url-shortener", "shortener.py", "-link.clicks, link.code", "-link.clicks", 19),
    Mutant("url-shortener", "shortener.py", "else now + expires_in", "else expires_in", 15),
    Mutant("url-shortener", "link_store.py", "now >= self.expires_at", "now > self.expires_at", 6),
    Mutant("microblog", "microblog.py", "{1,15}", "{1,16}", 2),
    Mutant("microblog", "microblog.py", "self._following[name] | {name}", "self._following[name]", 12),
    Mutant("microblog", "microblog.py", "tag.lower() in _tags", "tag in _tags", 13),
    Mutant("microblog", "microblog.py", r"@(\w+)", r"@?(\w+)", 14),
    Mutant("microblog", "microblog.py", "-pair[1], pair[0]", "-pair[1]", 15),
    Mutant("chat", "chat.py", "if user in there.kicked:", "if False:", 13),
    Mutant("chat", "chat.py", "held[-limit:]", "held[:limit]", 9),
    Mutant(
        "chat", "chat.py", "(there.messages[number].user, there.owner)", "(there.messages[number].user,)", 11
    ),
    Mutant("chat", "chat.py", "message.user != user and ", "", 12),
    Mutant("recipes", "recipes.py", '"servings": recipe.servings', '"servings": 1', 3),
    Mutant("recipes", "recipes.py", "amount * servings / recipe.servings", "amount * servings", 9),
    Mutant("recipes", "recipes.py", "pantry.get(name, 0) < amount", "pantry.get(name, 0) <= amount", 11),
    Mutant("recipes", "recipes.py", "1 <= stars <= 5", "1 <= stars", 13),
    Mutant("event-planner", "event_planner.py", "start < self.end", "start <= self.end", 3),
    Mutant("event-planner", "event_planner.py", "if event is not but", "", 9),
    Mutant("event-planner", "event_planner.py", 'before != "yes" and full', "full", 12),
    Mutant("event-planner", "event_planner.py", ".start >= now", ".start > now", 15),
    Mutant("finance-tracker", "finance_tracker.py", "-= held.change", "-= 0", 7),
    Mutant("finance-tracker", "finance_tracker.py", "or source == target", "", 9),
    Mutant("finance-tracker", "finance_tracker.py", "month) < 0", "month) <= 0", 14),
    Mutant(
        "finance-tracker", "finance_tracker.py", "-one.amount, one.number", "-one.amount, -one.number", 15
    ),
)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Test ids of one run of a suite, without their file."""

    passed: frozenset[str]
    failed: frozenset[str]

    def noticed(self) -> set[int]:
        """Numbers of the requirements of which a test failed."""
        return {requirement_of(test) for test in self.failed}


def requirement_of(test: str) -> int:
    match = re.match(r"test_requirement_(\d+)_", test)
    assert match, f"{test} names no requirement"
    return int(match[1])


def judge(task: str, subject: Path) -> Verdicts:
    """Run a copy of the task's suite over the modules in `subject`; our own pytest settings stay out."""
    suite = subject.with_name("suite")
    shutil.copytree(CHECKOUT / "configs" / "tasks" / task / "acceptance", suite)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(subject),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    # Nothing is shown to anyone, so rewritten assertions would only cost time.
    options = f"-q -rA --tb=no --assert=plain -p no:cacheprovider -c {os.devnull} --rootdir=.".split()
    command = [sys.executable, "-m", "pytest", *options, "."]
    done = subprocess.run(
        command, cwd=suite, env=environment, capture_output=True, text=True, timeout=WALL_SECONDS, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    verdicts = Verdicts(passed=ids(done.stdout, "PASSED"), failed=ids(done.stdout, "FAILED"))
    # pytest's own count, so that an error or an unread line is not taken for silence.
    counted = re.findall(r"\b(\d+) (?:passed|failed|errors?|skipped)\b", done.stdout.splitlines()[-1])
    assert len(verdicts.passed) + len(verdicts.failed) == sum(map(int, counted)) > 0, done.stdout
    return verdicts


def ids(output: str, verdict: str) -> frozenset[str]:
    return frozenset(re.findall(rf"^{verdict} \S+?::(test_\w+(?:\[.*?\])?)(?: - .*)?$", output, re.MULTILINE))


def copy_of_reference(task: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHECKOUT / "tests" / "reference" / task, tmp_path / "subject"))


@pytest.mark.parametrize("task", TASKS)
def test_the_reference_passes_its_suite_and_every_stated_requirement_is_judged(
    task: str, tmp_path: Path
) -> None:
    verdicts = judge(task, copy_of_reference(task, tmp_path))

    assert verdicts.failed == frozenset()
    assert {requirement_of(test) for test in verdicts.passed} == judged_requirements(task)


def judged_requirements(task: str) -> set[int]:
    """All numbers of the task text but the last, which asks for tests and is not judged by a suite."""
    text = (CHECKOUT / "configs" / "tasks" / task / "task.md").read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    return set(numbers[:-1])


@pytest.mark.parametrize("task", TASKS)
def test_empty_modules_fail_every_test_one_by_one(task: str, tmp_path: Path) -> None:
    subject = copy_of_reference(task, tmp_path)
    for module in subject.glob("*.py"):
        module.write_text("", encoding="utf-8")

    verdicts = judge(task, subject)

    assert verdicts.passed == frozenset()
    assert verdicts.noticed() == judged_requirements(task)


def test_a_missing_module_fails_only_the_tests_that_need_it(tmp_path: Path) -> None:
    subject = copy_of_reference("url-shortener", tmp_path)
    (subject / "shortener.py").unlink()

    assert judge("url-shortener", subject).noticed() == set(range(10, 23))


@pytest.mark.parametrize(
    ("task", "file", "method", "requirements"),
    [
        ("stack-queue", "stack_queue.py", "is_empty", {10}),
        ("lru-cache", "lru_cache.py", "keys", {6, 13}),
        ("url-shortener", "shortener.py", "stats", {17, 18}),
    ],
)
def test_a_missing_method_fails_only_the_requirements_that_show_through_it(
    task: str, file: str, method: str, requirements: set[int], tmp_path: Path
) -> None:
    module = copy_of_reference(task, tmp_path) / file
    source = module.read_text(encoding="utf-8")
    module.write_text(source.replace(f"def {method}(", f"def forgotten_{method}("), encoding="utf-8")

    assert judge(task, module.parent).noticed() == requirements


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=Mutant.name)
def test_a_plausible_bug_is_noticed_by_the_requirement_that_it_breaks(mutant: Mutant, tmp_path: Path) -> None:
    module = copy_of_reference(mutant.task, tmp_path) / mutant.file
    source = module.read_text(encoding="utf-8")
    assert source.count(mutant.right) == 1
    module.write_text(source.replace(mutant.right, mutant.wrong), encoding="utf-8")

    assert mutant.requirement in judge(mutant.task, module.parent).noticed()


MEMBERSHIP_QUESTIONS = {"lru-cache": 3, "url-shortener": 2}
"""`key in cache`: two of the tasks ask for that operator, and the files alone can answer it."""


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}


@pytest.mark.engine
@pytest.mark.parametrize("task", TASKS)
def test_the_reference_passes_its_suite_from_another_process_too(task: str, judge_in_box: Judge) -> None:
    suite = texts(CHECKOUT / "configs" / "tasks" / task / "acceptance")
    judged, result = judge_in_box(texts(CHECKOUT / "tests" / "reference" / task), suite)

    assert judged.verdict is Verdict.PASSED, judged.findings
    answered = MEMBERSHIP_QUESTIONS.get(task, 0)
    assert (judged.form, judged.claimed, judged.answered_by_subject) == ("api", answered > 0, answered)
    assert {requirement_of(test) for test in outcomes(result)} == judged_requirements(task)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=Mutant.name)
def test_a_plausible_bug_is_noticed_from_another_process_too(mutant: Mutant, judge_in_box: Judge) -> None:
    files = texts(CHECKOUT / "tests" / "reference" / mutant.task)
    files[mutant.file] = files[mutant.file].replace(mutant.right, mutant.wrong)
    suite = texts(CHECKOUT / "configs" / "tasks" / mutant.task / "acceptance")
    judged, result = judge_in_box(files, suite)

    assert judged.verdict is Verdict.FAILED
    failed = {requirement_of(test) for test, outcome in outcomes(result).items() if outcome == "failed"}
    assert mutant.requirement in failed
