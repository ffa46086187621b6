"""What the user names becomes what a run needs, or a complaint that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmac.checks import AcceptanceForm
from lmac.config import Domain
from lmac.errors import ConfigError, WeightsError
from lmac.inputs import (
    SUITE_BYTES,
    TASK_CHARACTERS,
    cache_folder,
    load_config,
    load_profile,
    load_suite,
    load_suite_settings,
    load_task,
    resolve_key,
    resolve_weights,
)
from lmac.shipped import shipped_folder

TASKS = sorted((shipped_folder("configs") / "tasks").iterdir())


def complaint(argument: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_task(argument)
    return str(error.value)


@pytest.mark.parametrize("folder", TASKS, ids=lambda folder: folder.name)
def test_every_shipped_task_has_a_text_and_a_suite(folder: Path) -> None:
    given = load_task(str(folder))

    assert given.task.name == folder.name
    if (own := folder / "config.yaml").is_file() and load_config(own, ()).domain is Domain.BOOK:
        # A book is judged by its checks.
        assert given.acceptance_folder is None
    else:
        assert given.acceptance_folder is not None
        assert load_suite(given.acceptance_folder)


@pytest.mark.parametrize("form", AcceptanceForm)
def test_a_suite_says_how_it_meets_the_files_and_api_is_the_default(
    form: AcceptanceForm, tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text("")
    assert load_suite_settings(tmp_path).form is AcceptanceForm.API

    (tmp_path / "acceptance.yaml").write_text(f"form: {form.value}\n")
    assert load_suite_settings(tmp_path).form is form
    assert list(load_suite(tmp_path)) == ["test_it.py"]


@pytest.mark.parametrize("text", ["form: remote", "forms: api", "form: [api]", "form:"])
def test_wrong_settings_of_a_suite_are_named_with_file_and_key(text: str, tmp_path: Path) -> None:
    (tmp_path / "acceptance.yaml").write_text(f"{text}\n")
    with pytest.raises(ConfigError, match=r"acceptance\.yaml, line 1, key `forms?`"):
        load_suite_settings(tmp_path)


def test_a_task_is_a_file_or_the_words_themselves(tmp_path: Path) -> None:
    file = tmp_path / "My Task.md"
    file.write_text("  Write a stack.\n", "utf-8")

    assert (load_task(str(file)).task.text, load_task(str(file)).task.name) == ("Write a stack.", "my-task")
    assert load_task("Write a stack.").task.text == "Write a stack."


@pytest.mark.parametrize("characters", [10, 255, 256, 300, 499, 501, 5000])
def test_a_sentence_of_any_length_is_no_path(characters: int) -> None:
    words = ("Write a stack and " * 400)[:characters].strip()

    assert load_task(words).task.text == words


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.md", tmp_path / "absent" / "task", tmp_path / "absent.txt"):
        assert str(path) in complaint(str(path))


@pytest.mark.parametrize(
    "argument",
    ["absent", "stack", "x" * 5000, "a/b", "my notes.md", "MY NOTES.MD", "a b.rst", "a b.markdown"],
)
def test_what_looks_like_a_path_is_never_taken_for_a_task(argument: str) -> None:
    said = complaint(argument)

    assert f"task {argument}: no such file" in said
    assert "next: check the path; a task's own text has more than one word" in said


@pytest.mark.parametrize("argument", ["stack-queue", "tasks/stack-queue"])
def test_a_shipped_task_without_its_folder_is_told_its_path(argument: str) -> None:
    assert "configs/tasks/stack-queue" in complaint(argument).split("next: ")[1]


@pytest.mark.parametrize("name", ["two words", "word", "word\nmore"])
def test_a_path_that_is_there_wins_over_any_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("Write a stack.")

    assert load_task(name).task.text == "Write a stack."


@pytest.mark.parametrize("text", ["Stack\n", "Write\nnotes.md", "Write notes.md with care"])
def test_a_text_that_only_holds_a_files_name_stays_a_text(text: str) -> None:
    assert load_task(text).task.text == text.strip()


def test_a_folder_without_a_task_is_named(tmp_path: Path) -> None:
    assert "task.md" in complaint(str(tmp_path))


def test_an_empty_task_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "task.md"
    file.write_text(" \n\t\n")

    assert "empty" in complaint(str(file))
    assert "empty" in complaint("")
    assert "empty" in complaint("  ")


def test_a_task_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    file = tmp_path / "task.md"
    file.write_bytes("Schreibe für mich".encode("latin-1"))

    assert "not UTF-8 (byte 10)" in complaint(str(file))


def test_a_task_without_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "task.md"
    file.write_text("x" * (TASK_CHARACTERS + 1))

    assert "at most 200,000" in complaint(str(file))


def test_a_suite_holds_its_files_by_relative_path_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "sub" / "__pycache__").mkdir(parents=True)
    (tmp_path / "sub" / "test_a.py").write_bytes(b"a")
    (tmp_path / "sub" / "__pycache__" / "test_a.pyc").write_bytes(b"c")
    (tmp_path / "data.txt").write_bytes(b"d")
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    (tmp_path / "up").symlink_to("..")

    assert load_suite(tmp_path) == {"sub/test_a.py": b"a", "data.txt": b"d"}


def test_a_suite_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        load_suite(tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"no test_\*\.py"):
        load_suite(tmp_path)
    (tmp_path / "test_a.py").write_bytes(b"x" * (SUITE_BYTES + 1))
    with pytest.raises(ConfigError, match="at most"):
        load_suite(tmp_path)
    (tmp_path / "bad\nname.py").write_bytes(b"")
    with pytest.raises(ConfigError, match="forbidden character"):
        load_suite(tmp_path)


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: No such file"):
        load_config(tmp_path / "absent.yaml", ())
    with pytest.raises(ConfigError, match="directory"):
        load_config(tmp_path, ())
    (tmp_path / "bad.yaml").write_bytes(b"model: \xff")
    with pytest.raises(ConfigError, match=r"not UTF-8 \(byte 7\)"):
        load_config(tmp_path / "bad.yaml", ())


def test_options_come_after_the_file(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("seed: 1\nmachine:\n  turns: 3\n")
    config = load_config(file, ("seed=2", "machine.attempts=7"))

    assert (config.seed, config.machine.turns, config.machine.attempts) == (2, 3, 7)


def test_a_profile_that_is_not_shipped_lists_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'gpt'.*qwen2.5-coder-1.5b"):
        load_profile("gpt")
    with pytest.raises(ConfigError, match="No such file"):
        load_profile(str(tmp_path / "absent.yaml"))


def test_the_key_comes_from_the_environment_that_the_profile_names() -> None:
    profile = load_profile("openai")

    assert resolve_key(profile, {"OPENAI_API_KEY": "k"}) == "k"
    assert resolve_key(load_profile("local-server"), {}) is None
    for environment in ({}, {"OPENAI_API_KEY": ""}):
        with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
            resolve_key(profile, environment)


def test_weights_that_are_not_here_name_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="lmac setup"):
        resolve_weights(load_profile("smollm2-135m"), tmp_path)
    assert resolve_weights(load_profile("openai"), tmp_path) is None


def test_the_cache_is_where_the_environment_says() -> None:
    assert cache_folder({"LMAC_CACHE": "/c", "XDG_CACHE_HOME": "/x"}) == Path("/c")
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/lmac")
    assert cache_folder({}) == Path.home() / ".cache" / "lmac"
