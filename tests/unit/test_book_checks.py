"""What the check of books says of files: each fault in its place, and nothing of a good book."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from job_results import job_result
from lmac.checks import CommandCheck
from lmac.config import Domain, RunConfig
from lmac.evaluation import CheckResult, Verdict
from lmac.evaluator import EvaluationBox, Evaluator
from lmac.inputs import load_checks
from lmac_sandbox import Reuse
from lmac_sandbox.inside import text

OUTLINE = """# The Light at Skarn

1. [Landfall](chapters/01-landfall.md): Ada Brandt reaches the island.
2. [The Lamp](chapters/02-the-lamp.md): the lamp goes out.
"""
GLOSSARY = """# Glossary

## Names

- **Ada Brandt**: the keeper, 34 years old
- **Skarn**: an island of rock
- **Sealark**: the mail boat
- **Thorvaldsen**: the harbour master

## Facts

- The lamp was lit in 1871.
"""


def prose(seed: int, words: int = 240) -> str:
    """Paragraphs of made-up words, no two of them alike."""
    made = [f"w{seed}x{number * 7919 % 100_003}" for number in range(words)]
    paragraphs = [" ".join(made[at : at + 40]) for at in range(0, words, 40)]
    return "\n\n".join(f"{paragraph}." for paragraph in paragraphs)


def chapter(title: str, seed: int, own: str) -> str:
    return f"# {title}\n\n{own}\n\n{prose(seed)}\n"


BOOK = {
    "outline.md": OUTLINE,
    "glossary.md": GLOSSARY,
    "chapters/01-landfall.md": chapter("Landfall", 1, "Ada Brandt saw Skarn. The Sealark turned away."),
    "chapters/02-the-lamp.md": chapter("The Lamp", 2, "Ada wrote to Thorvaldsen: the lamp is out."),
}


def check(at_end: bool) -> CommandCheck:
    (only,) = load_checks(RunConfig(domain=Domain.BOOK)).checks
    assert isinstance(only, CommandCheck)
    return CommandCheck(only.definition, at_end)


class Judge:
    """Runs the program in this process, over files in a folder."""

    def __init__(self, folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._capsys, self._monkeypatch = folder, capsys, monkeypatch

    def faults(self, files: Mapping[str, str]) -> list[tuple[str, str, int, str]]:
        """Rule, path, line and text of each, as the program prints them."""
        for path, content in files.items():
            place = self._folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content, "utf-8")
        self._monkeypatch.chdir(self._folder)
        self._monkeypatch.setattr("sys.argv", ["text", *check(True).job().argv[-1:]])
        text.main()
        answer = json.loads(self._capsys.readouterr().out)
        return [(one["rule"], one["path"], one["line"], one["text"]) for one in answer["faults"]]

    def rules(self, files: Mapping[str, str]) -> dict[str, str]:
        return {rule: f"{path}:{line}" for rule, path, line, _ in self.faults(files)}


@pytest.fixture
def judge(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Judge:
    return Judge(tmp_path, capsys, monkeypatch)


def test_a_good_book_has_no_fault(judge: Judge) -> None:
    assert judge.faults(BOOK) == []


def changed(path: str, before: str, after: str) -> dict[str, str]:
    assert before in BOOK[path]
    return {**BOOK, path: BOOK[path].replace(before, after)}


BOTH = (Domain.BOOK, Domain.CODEBASE)
FIRST, SECOND = "chapters/01-landfall.md", "chapters/02-the-lamp.md"
FAULTS = {
    "a name misspelt": (changed(SECOND, "Ada wrote", "Ada Brant wrote"), "misspelt-name", f"{SECOND}:3"),
    "two letters of a long name": (
        changed(SECOND, "Thorvaldsen", "Torvaldson"),
        "misspelt-name",
        f"{SECOND}:3",
    ),
    "a name in two words": (changed(FIRST, "The Sealark", "Then Sea Lark"), "misspelt-name", f"{FIRST}:3"),
    "a name with a hyphen": (changed(FIRST, "The Sealark", "The Sea-Lark"), "misspelt-name", f"{FIRST}:3"),
    "a name nobody mentions": (changed(SECOND, "Thorvaldsen", "him"), "unused-name", "glossary.md:1"),
    "no names": (changed("glossary.md", "## Names", "## Persons"), "missing-section", "glossary.md:1"),
    "a chapter unwritten": (
        changed("outline.md", "02-the-lamp", "03-lamp"),
        "missing-chapter",
        "outline.md:4",
    ),
    "a chapter unnamed": (
        {**BOOK, "chapters/03-x.md": chapter("X", 3, "Ada.")},
        "stray-chapter",
        "chapters/03-x.md:1",
    ),
    "an outline of nothing": ({**BOOK, "outline.md": "# T\n\nLater.\n"}, "no-outline", "outline.md:1"),
    "a dead link": (changed(SECOND, "Ada wrote", "[Ada](../people.md) wrote"), "dead-link", f"{SECOND}:3"),
    "TODO": (changed(SECOND, "Ada wrote", "TODO: Ada wrote"), "placeholder", f"{SECOND}:3"),
    "lorem": (changed(SECOND, "Ada wrote", "Lorem ipsum. Ada wrote"), "placeholder", f"{SECOND}:3"),
    "insert": (
        changed(SECOND, "Ada wrote", "[Insert a letter here] Ada wrote"),
        "placeholder",
        f"{SECOND}:3",
    ),
    "dots": (changed(SECOND, "Ada wrote", "...\n\nAda wrote"), "placeholder", f"{SECOND}:3"),
    "an ellipsis in brackets": (
        changed(SECOND, "Ada wrote", "[…]\n\nAda wrote"),
        "placeholder",
        f"{SECOND}:3",
    ),
    "the form's own title": (changed(SECOND, "# The Lamp", "# TITLE"), "placeholder", f"{SECOND}:1"),
    "too short": ({**BOOK, SECOND: "# The Lamp\n\nAda met Thorvaldsen.\n"}, "too-short", f"{SECOND}:1"),
    "too long": ({**BOOK, SECOND: BOOK[SECOND] + prose(9, 4000)}, "too-long", f"{SECOND}:1"),
    "no title": (changed(SECOND, "# The Lamp", "## The Lamp"), "no-title", f"{SECOND}:1"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_each_fault_is_named_in_its_place(judge: Judge, what: str) -> None:
    files, rule, where = FAULTS[what]

    assert judge.rules(files).get(rule) == where


@pytest.mark.parametrize(
    "written",
    ["Brandt's lamp", "the Brandts came", "Skarn's rock", "Ada... and Skarn", "He said: Brandt!", "SKARN"],
)
def test_forms_of_a_name_and_pauses_are_no_faults(judge: Judge, written: str) -> None:
    assert judge.faults(changed(SECOND, "Ada wrote", f"{written}. Ada wrote")) == []


def test_a_word_of_the_language_is_no_name(judge: Judge) -> None:
    files = changed(SECOND, "Ada wrote", "Scarn he said, and scarn again. Ada wrote")

    assert judge.faults(files) == []


def test_a_paragraph_that_comes_again_is_told_with_the_first_ones_place(judge: Judge) -> None:
    paragraph = prose(1).split("\n\n")[0]
    same = judge.faults({**BOOK, SECOND: BOOK[SECOND] + f"\n{paragraph}\n"})
    nearly = judge.faults({**BOOK, SECOND: BOOK[SECOND] + f"\n{paragraph.replace('w1x0 ', 'Once ')}\n"})

    assert [(rule, path) for rule, path, _, _ in same] == [("repeated-paragraph", SECOND)]
    assert same[0][3].startswith(f"the same paragraph as {FIRST}:5: tell something new here")
    assert nearly[0][3].startswith(f"nearly the same paragraph as {FIRST}:5")


def test_a_sentence_said_a_third_time_is_told(judge: Judge) -> None:
    said = "The sea was grey and the wind came from the north. "
    assert judge.faults(changed(SECOND, "Ada wrote", f"{said * 2}Ada wrote")) == []

    faults = judge.faults(changed(SECOND, "Ada wrote", f"{said * 3}Ada wrote"))
    assert [(rule, path, line) for rule, path, line, _ in faults] == [("repeated-sentence", SECOND, 3)]
    assert f"first in {SECOND}:3: say it once" in faults[0][3]
    assert judge.rules(changed(SECOND, "Ada wrote", "On and on. On and on. On and on. Ada wrote"))


def judged(at_end: bool, *rules: str) -> CheckResult:
    faults = [{"path": "outline.md", "line": 4, "rule": rule, "text": "x"} for rule in rules]
    return check(at_end).judge(job_result(json.dumps({"files": 3, "faults": faults})))


def test_chapters_to_come_keep_only_the_last_instruction_open() -> None:
    assert judged(False, "missing-chapter", "unused-name").verdict is Verdict.PASSED
    assert judged(True, "missing-chapter").verdict is Verdict.FAILED
    assert judged(False, "missing-chapter", "placeholder").verdict is Verdict.FAILED


def test_only_sets_that_know_an_end_are_judged_anew_at_it() -> None:
    class NoBoxes:
        reuse = Reuse.RUN

        def take(self) -> AbstractContextManager[EvaluationBox]:
            raise AssertionError("nothing is judged")

    book, code = (Evaluator(NoBoxes(), load_checks(RunConfig(domain=domain)).checks) for domain in BOTH)

    assert book.asks_more_of_the_whole
    assert not code.asks_more_of_the_whole


def flooded(unit: str) -> dict[str, str]:
    return {**BOOK, FIRST: "# T\n\n" + unit * (300_000 // len(unit)) + "\n"}


@pytest.mark.parametrize(
    "unit",
    [
        "Ada Brant ",
        "a. ",
        "the same words again and again.\n\n",
        "TODO ",
        "[",
        ". . ",
        "Brandt-",
        "…",
        "x" * 99,
    ],
)
def test_a_flood_costs_no_more_than_its_size(judge: Judge, unit: str) -> None:
    before = time.process_time()
    judge.faults(flooded(unit))

    assert time.process_time() - before < 10


def test_a_chapter_may_use_the_glossary_s_own_words(judge: Judge) -> None:
    paragraph = prose(77).split("\n\n")[0]
    files = dict(BOOK)
    files["glossary.md"] += f"\n## Facts\n\n{paragraph}\n"
    files[SECOND] += f"\n{paragraph}\n"

    assert "repeated-paragraph" not in judge.rules(files)
