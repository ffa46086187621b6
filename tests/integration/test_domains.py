"""Runs in every domain, from an empty store and from a folder, by the command and by the Python API."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import lmac
from command_line import Shell
from lmac.evaluation import Verdict
from lmac.examples import extended, one_call, watched
from lmac.inputs import load_task
from lmac.journal import read_blob
from lmac.shipped import shipped_folder
from lmac.transitions import Outcome
from lmac_sandbox import Engine
from scripted_runs import (
    DONE,
    GREEN_FILES,
    ONE_STEP,
    SMALL_BOX,
    delivered,
    events,
    leftovers,
    write_profile,
    wrote,
)
from scripted_server import Says, ScriptedServer, heard_last, spoken

pytestmark = pytest.mark.engine

CONFIGS = shipped_folder("configs")
HALVING = {
    "halving.py": "def half(number: int) -> float:\n    return number / 2\n",
    "test_halving.py": "from halving import half\n\n\ndef test_it() -> None:\n    assert half(8) == 4\n",
}
HALF_STEP = Says("1. Write halving.py with half(), and tests. (files: halving.py, test_halving.py)")


def config(folder: Path, server: ScriptedServer, image_id: str, **keys: Any) -> Path:
    """A config file of a run in this folder."""
    path = folder / f"config-{secrets.token_hex(3)}.yaml"
    own = {"model": str(write_profile(folder, server.base_url)), "image": image_id, "box": SMALL_BOX}
    path.write_text(yaml.safe_dump({**own, "runs_folder": str(folder / "runs"), **keys}))
    return path


def verdicts(result: lmac.RunResult) -> dict[str, Verdict]:
    assert result.checks is not None
    return {check.check: check.verdict for check in result.checks.results}


# A codebase in another language

JAVASCRIPT = {
    "doubling.mjs": "export function double(number) {\n  return number * 2;\n}\n",
    "doubling.test.mjs": """import test from "node:test";
import assert from "node:assert/strict";
import { double } from "./doubling.mjs";

test("doubles", () => {
  assert.equal(double(4), 8);
});
""",
    "show.mjs": 'import { double } from "./doubling.mjs";\n\nconsole.log("shown", double(21));\n',
}


@pytest.mark.slow
def test_a_codebase_in_javascript_is_asked_for_and_judged_as_such(tmp_path: Path, node_image_id: str) -> None:
    step = Says("1. Write doubling.mjs, and tests. (files: doubling.mjs, doubling.test.mjs)")
    with ScriptedServer([step, wrote(JAVASCRIPT), Says("RUN show.mjs"), DONE]) as server:
        own = config(tmp_path, server, node_image_id, checks=["javascript"])
        result = lmac.generate_codebase("Write doubling.mjs with double(number), and tests.", own)

    assert result.exit_code == 0
    assert verdicts(result) == {"syntax": Verdict.PASSED, "tests": Verdict.PASSED}
    told = spoken(server.turns[1])
    assert "shown 42" in heard_last(server.turns[3])
    assert "node:test" in told
    assert "pytest" not in told


# Books

OUTLINE = """# Two Days

1. [Morning](chapters/01-morning.md): Ada wakes.
2. [Evening](chapters/02-evening.md): Ada sleeps.
"""
GLOSSARY = "# Glossary\n\n## Names\n\n- **Ada Brandt**: the keeper\n- **Skarn**: an island\n"


def chapter(title: str, own: str, seed: int) -> str:
    words = [f"w{seed}x{number * 7919 % 100_003}" for number in range(210)]
    paragraphs = "\n\n".join(" ".join(words[at : at + 42]) + "." for at in range(0, 210, 42))
    return f"# {title}\n\n{own}\n\n{paragraphs}\n"


def test_a_book_is_written_chapter_by_chapter_and_its_faults_are_told(
    tmp_path: Path, text_image_id: str
) -> None:
    program = Says(
        "1. Write the outline and the glossary. (files: outline.md, glossary.md)\n"
        "2. Write chapter 1, Morning. (files: chapters/01-morning.md)\n"
        "3. Write chapter 2, Evening. (files: chapters/02-evening.md)"
    )
    good = chapter("Morning", "Ada Brandt woke on Skarn.", 1)
    script = [
        program,
        wrote({"outline.md": OUTLINE, "glossary.md": GLOSSARY}),
        DONE,
        wrote({"chapters/01-morning.md": good.replace("Brandt", "Brant")}),
        wrote({"chapters/01-morning.md": good}),
        DONE,
        wrote({"chapters/02-evening.md": chapter("Evening", "Ada slept. [Insert a dream here]", 2)}),
        wrote({"chapters/02-evening.md": chapter("Evening", "Ada slept, and dreamt of Skarn.", 2)}),
        DONE,
    ]
    with ScriptedServer(script, summary="Ada Brandt woke; she is on Skarn.") as server:
        result = lmac.generate_book("Write a book of two chapters.", config(tmp_path, server, text_image_id))

    assert (result.outcome, result.instructions_completed) == (Outcome.COMPLETED, 3)
    assert verdicts(result) == {"book": Verdict.PASSED}
    assert delivered(Path(result.folder))["chapters/01-morning.md"] == good
    assert "misspelt-name Brant: glossary.md has Brandt" in heard_last(server.turns[4])
    assert "placeholder '[Insert' stands in place of text" in heard_last(server.turns[7])
    opening = spoken(server.turns[6])
    assert "Ada Brandt woke; she is on Skarn." in opening
    assert "**Skarn**: an island" in opening


def test_a_book_whose_last_chapter_is_missing_is_not_complete(tmp_path: Path, text_image_id: str) -> None:
    files = {
        "outline.md": OUTLINE,
        "glossary.md": GLOSSARY,
        "chapters/01-morning.md": chapter("Morning", "Ada Brandt woke on Skarn.", 1),
    }
    script = [Says("1. Write all of it. (files: outline.md)"), wrote(files), DONE, Says("So be it.")]
    limits = {"turns": 3, "attempts": 1, "revisions": 0}
    with ScriptedServer(script) as server:
        own = config(tmp_path, server, text_image_id, machine=limits)
        result = lmac.generate_book("Write a book of two chapters.", own)

    assert result.outcome is Outcome.INSTRUCTION_GIVEN_UP
    assert "missing-chapter chapters/02-evening.md is not written" in heard_last(server.turns[2])


def test_the_shipped_book_has_eight_chapters_and_a_config_of_its_domain() -> None:
    folder = CONFIGS / "tasks" / "harbour-book"
    document = yaml.safe_load((folder / "config.yaml").read_text())

    assert load_task(str(folder)).task.text.count("chapters/0") == 8
    assert lmac.RunConfig.model_validate(document).check_sets == ("book",)


# A domain of one's own

NOTES = {
    "notes/1.0.0.md": """# 1.0.0

2 March 2026

## Added

- tally counts words, lines and bytes of files.
- It counts standard input as well when no file is named.

## Fixed

Nothing.
""",
    "notes/1.1.0.md": """# 1.1.0

20 April 2026

## Added

- The option --json prints the counts as JSON.

## Fixed

- A file that is missing is named, and the other files are counted.
""",
    "README.md": "# tally\n\n- [1.1.0](notes/1.1.0.md)\n- [1.0.0](notes/1.0.0.md)\n",
}


def test_a_domain_of_ones_own_has_its_own_words_and_checks(
    tmp_path: Path, image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CONFIGS / "examples" / "release-notes"
    monkeypatch.chdir(CONFIGS.parent)
    wrong = {**NOTES, "notes/latest.md": NOTES["notes/1.0.0.md"].replace("Nothing", "TBD")}
    script = [
        Says("1. Write the notes. (files: notes/1.0.0.md, notes/1.1.0.md, README.md)"),
        wrote(wrong),
        Says("DELETE notes/latest.md"),
        DONE,
    ]
    with ScriptedServer(script) as server:
        keys = yaml.safe_load((folder / "config.yaml").read_text())
        result = lmac.generate(folder, config(tmp_path, server, image_id, **keys))

    assert result.exit_code == 0
    assert verdicts(result) == {"notes": Verdict.PASSED, "names": Verdict.PASSED}
    assert delivered(Path(result.folder)) == NOTES
    assert "a machine that writes release notes" in spoken(server.turns[1])
    assert "notes/latest.md" in heard_last(server.turns[2])
    opened = events(Path(result.folder), "run_opened")[0].data
    texts = yaml.safe_load(read_blob(Path(result.folder), opened["prompts_digest"]))["texts"]
    assert texts == yaml.safe_load((folder / "prompts.yaml").read_text())


# From a folder


def project(folder: Path, files: Mapping[str, str]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder


def test_a_run_from_a_folder_keeps_its_files_and_lists_what_it_left_out(
    tmp_path: Path, image_id: str, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    start = project(
        tmp_path / "mine", {**GREEN_FILES, ".git/config": "x", ".gitignore": "*.log\n", "a.log": ""}
    )
    with ScriptedServer([HALF_STEP, wrote(HALVING), DONE]) as server:
        result = extended.main(config(tmp_path, server, image_id), start)
    folder = Path(result.folder)
    started = events(folder, "started_from")[0].data

    assert result.exit_code == 0
    assert verdicts(result)["floor"] is Verdict.PASSED
    assert delivered(folder) == {**GREEN_FILES, **HALVING, ".gitignore": "*.log\n"}
    assert {path: read_blob(folder, digest).decode() for path, digest in started["files"].items()} == {
        **GREEN_FILES,
        ".gitignore": "*.log\n",
    }
    assert result.left_out == ((".git", "git's own"), ("a.log", "ignored by .gitignore"))
    assert "left out: a.log (ignored by .gitignore)" in capsys.readouterr().out
    assert "def double" in spoken(server.turns[1])
    assert project(start, {}) == start
    assert not (start / "halving.py").exists()
    assert leftovers(engine, result.run_id) == 0


def test_a_test_of_the_folder_that_is_deleted_keeps_the_instruction_open(
    tmp_path: Path, image_id: str
) -> None:
    start = project(tmp_path / "mine", GREEN_FILES)
    script = [HALF_STEP, wrote(HALVING), Says("DELETE test_doubling.py"), DONE, wrote(GREEN_FILES), DONE]
    with ScriptedServer(script) as server:
        result = lmac.generate("Add halving.py.", config(tmp_path, server, image_id), start_from=start)

    assert "this test is gone: put it back; it passed when the run began" in heard_last(server.turns[3])
    assert result.exit_code == 0
    assert delivered(Path(result.folder)) == {**GREEN_FILES, **HALVING}


def test_what_fails_from_the_beginning_is_told_as_it_is(tmp_path: Path, image_id: str) -> None:
    red = {**GREEN_FILES, "doubling.py": GREEN_FILES["doubling.py"].replace("* 2", "* 3")}
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        own = config(tmp_path, server, image_id)
        result = lmac.generate("Mend doubling.py.", own, start_from=project(tmp_path / "mine", red))

    assert "test_doubles" in spoken(server.turns[1])
    assert result.exit_code == 0
    assert "floor" not in verdicts(result)


def test_the_command_starts_from_a_folder_and_says_what_it_left_out(tmp_path: Path, image_id: str) -> None:
    project(tmp_path / "mine", {**GREEN_FILES, ".git/config": "x"})
    with ScriptedServer([HALF_STEP, wrote(HALVING), DONE]) as server:
        own = config(tmp_path, server, image_id)
        ended = Shell(tmp_path).lmac("run", "Add halving.py with half().", "-c", own.name, "--from", "mine")

    assert ended.code == 0, ended.stderr
    assert "started from  mine" in ended.stdout
    assert "left out  .git: git's own" in ended.stdout


# The Python API


def test_one_call_gives_a_typed_result(
    tmp_path: Path, image_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        result = one_call.main(config(tmp_path, server, image_id))

    assert (result.outcome, result.exit_code) == (Outcome.COMPLETED, 0)
    assert "completed: 2 files" in capsys.readouterr().out


def test_a_stream_shows_the_events_of_the_journal(
    tmp_path: Path, image_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        result = watched.main(config(tmp_path, server, image_id))

    assert result.exit_code == 0
    assert capsys.readouterr().out.splitlines() == ["wrote doubling.py", "wrote test_doubling.py"]


def test_a_stream_that_is_left_early_cancels_the_run_and_leaves_nothing_behind(
    tmp_path: Path, image_id: str, engine: Engine
) -> None:
    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        result = watched.main(config(tmp_path, server, image_id), most_calls=0)
    kinds = [json.loads(line)["kind"] for line in (Path(result.folder) / "journal.jsonl").open()]

    assert result.outcome is Outcome.INTERRUPTED
    assert len(server.requests) <= 2
    assert kinds[-1] == "run_closed"
    assert leftovers(engine, result.run_id) == 0
    assert not [one for one in threading.enumerate() if one.name == result.run_id]


def test_a_listener_may_cancel_more_than_once(tmp_path: Path, image_id: str) -> None:
    heard: list[str] = []

    def listener(event: lmac.Event) -> None:
        heard.append(event.kind)
        if len(heard) > 4:
            raise lmac.RunCancelled

    with ScriptedServer([ONE_STEP, wrote(GREEN_FILES), DONE]) as server:
        task = lmac.Task("Write doubling.py.", "doubling")
        result = lmac.generate(task, config(tmp_path, server, image_id), listener=listener)

    assert result.outcome is Outcome.INTERRUPTED
    assert heard[-1] == "run_closed"


def test_what_cannot_be_started_is_an_error_and_leaves_no_folder(tmp_path: Path) -> None:
    keys = {"domain": "custom", "runs_folder": str(tmp_path / "runs")}
    with pytest.raises(lmac.LmacError, match="name your `prompts`"):
        lmac.generate("Write a thing.", keys)
    with pytest.raises(lmac.LmacError, match="no such file"):
        lmac.generate(tmp_path / "gone.md", {"runs_folder": str(tmp_path / "runs")})
    assert not (tmp_path / "runs").exists()
