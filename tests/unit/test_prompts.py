"""Prompts are filled in strictly, and only once; a language's parts and a user's texts fit or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lmac.config import RunConfig
from lmac.errors import ConfigError
from lmac.inputs import load_prompts
from lmac.prompts import LANGUAGE_PARTS, PLACES, Prompts, make_prompts, shipped_prompts
from lmac.yaml_source import parse_yaml

SHIPPED = {
    "Python": shipped_prompts("codebase"),
    "JavaScript": shipped_prompts("codebase", "javascript"),
    "book": shipped_prompts("book"),
}
PROMPTS = SHIPPED["Python"]


def texts(**changed: object) -> str:
    """A YAML in which every prompt uses its names, with some changed."""
    whole = {name: " ".join(f"${place}" for place in sorted(places)) for name, places in PLACES.items()}
    return yaml.safe_dump(whole | changed)


def custom(text: str) -> Prompts:
    """The prompts of a domain that has none but the user's."""
    return make_prompts("custom", {}, parse_yaml(text, "own.yaml"))


@pytest.mark.parametrize("prompts", SHIPPED.values(), ids=SHIPPED)
@pytest.mark.parametrize("name", PLACES)
def test_every_shipped_prompt_is_filled_in_whole(name: str, prompts: Prompts) -> None:
    values = {place: f"<{place} here>" for place in PLACES[name]}
    rendered = prompts.render(name, **values)

    assert all(value in rendered for value in values.values())
    assert "$" not in rendered


def test_a_codebases_texts_speak_of_its_language_alone() -> None:
    told = {name: "\n".join(SHIPPED[name].texts.values()).lower() for name in ("Python", "JavaScript")}
    manual = {name: SHIPPED[name].render("programmer", manual="") for name in told}

    assert not any(word in text for text in told.values() for word in ("pytest", "python", ".py", "node"))
    assert "pytest" in manual["Python"]
    assert "node:test" in manual["JavaScript"]
    assert "pytest" not in manual["JavaScript"]


def test_a_value_is_never_filled_in_again() -> None:
    rendered = PROMPTS.render("single", task="costs $5, $task and ${task} and $$")

    assert "costs $5, $task and ${task} and $$" in rendered


@pytest.mark.parametrize(
    "values", [{}, {"task": "x", "more": "y"}, {"tusk": "x"}, {"language": "x", "task": ""}]
)
def test_a_value_too_few_or_too_many_is_a_fault_of_the_caller(values: dict[str, str]) -> None:
    with pytest.raises(KeyError, match="single"):
        PROMPTS.render("single", **values)


def test_prompts_that_use_their_names_are_taken() -> None:
    assert custom(texts()).render("single", task="x") == "x"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (texts(single="no name"), r"line \d+, key `single`: prompt 'single' must use \$task"),
        (texts(single="$task $more"), r"key `single`: prompt 'single' uses \$more, which nobody fills in"),
        (texts(single="$task $language"), r"uses \$language"),
        (texts(single="$task for $5"), "prompt 'single' holds a"),
        (texts(single=["$task"]), "prompt 'single' is no text"),
        (texts(single=None), "prompt 'single' is no text"),
        (texts(extra="x"), "key `extra`: there is no such prompt"),
        ("single: $task", "missing: .*architect"),
        ("- a", "a mapping"),
        ("a: [", "no YAML"),
        ("", "missing"),
    ],
)
def test_prompts_that_could_fail_later_are_refused_at_once(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        custom(text)

    assert "own.yaml" in error.value.message


def test_the_digest_names_texts_and_language_whatever_file_they_come_from() -> None:
    own = parse_yaml("single: Do $task.", "own.yaml")

    assert custom(texts()).digest != custom(texts(single="${task}")).digest
    assert SHIPPED["Python"].digest != SHIPPED["JavaScript"].digest
    assert make_prompts("codebase", PROMPTS.parts).digest == PROMPTS.digest
    assert make_prompts("codebase", PROMPTS.parts, own).digest != PROMPTS.digest


def test_a_domain_without_prompts_is_named() -> None:
    with pytest.raises(ConfigError, match="'novel'"):
        shipped_prompts("novel")


# What a config makes of them


def test_a_users_file_replaces_single_texts_and_leaves_the_others(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("go_on: Go on with $number in $language.\n")
    prompts = load_prompts(RunConfig(prompts=str(own)))

    assert prompts.render("go_on", number=3) == "Go on with 3 in Python."
    assert {name for name in PLACES if prompts.texts[name] != PROMPTS.texts[name]} == {"go_on"}


def test_the_check_sets_choose_the_language(tmp_path: Path) -> None:
    chosen = {
        names: load_prompts(RunConfig(checks=names)).parts["language"]
        for names in (("python",), ("javascript",), ("text", "javascript"), ("text",))
    }

    assert list(chosen.values()) == ["Python", "JavaScript", "JavaScript", "Python"]
    assert load_prompts(RunConfig()).parts["language"] == "Python"


def own_language(folder: Path, **parts: object) -> RunConfig:
    """A run with a user's own set for a language that LMAC knows nothing of."""
    entry = {"name": "mine", "command": ["/usr/bin/true"], "files": ["*.lua"], "parser": "exit_code"}
    content = {"images": ["python"], "language": "lua", "checks": [entry], **parts}
    (folder / "lua.yaml").write_text(yaml.safe_dump(content))
    return RunConfig(checks=(str(folder / "lua.yaml"),))


def test_a_set_of_ones_own_brings_the_texts_of_its_language(tmp_path: Path) -> None:
    parts = {name: f"{name} of Lua" for name in LANGUAGE_PARTS}
    prompts = load_prompts(own_language(tmp_path, language_texts=parts))

    assert "tests_rule of Lua" in prompts.render("programmer", manual="")


def test_a_language_without_texts_and_texts_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lua\.yaml: LMAC has no texts for lua") as missing:
        load_prompts(own_language(tmp_path))
    assert "`language_texts`" in missing.value.next_step
    with pytest.raises(ConfigError, match="missing or unknown: checked_by"):
        load_prompts(own_language(tmp_path, language_texts={"language": "Lua"}))


def test_sets_for_two_languages_fit_no_codebase_and_none_fits_a_book() -> None:
    with pytest.raises(ConfigError, match="python judges python, and javascript judges javascript"):
        load_prompts(RunConfig(checks=("text", "python", "javascript")))
    with pytest.raises(ConfigError, match="a book is written in none"):
        load_prompts(RunConfig.model_validate({"domain": "book", "checks": ["python"]}))


@pytest.mark.parametrize("missing", ["prompts", "checks"])
def test_a_custom_run_names_prompts_and_checks_of_its_own(missing: str) -> None:
    given = {"domain": "custom", "prompts": "own.yaml", "checks": ["text"]}
    del given[missing]
    with pytest.raises(ValueError, match=f"name your `{missing}`"):
        RunConfig.model_validate(given)


def test_the_model_learns_what_it_may_ask_for_before_it_asks() -> None:
    def installed(**options: object) -> str:
        return load_prompts(RunConfig.model_validate({"dependencies": options})).parts["installed"]

    assert installed() == PROMPTS.parts["installed"]
    asked = "in requirements.txt, by its name and versions, such as requests>=2.31,<3."
    assert installed(policy="index").endswith(asked)
    assert installed(policy="listed", listed=["flask", "x==1.0"]).endswith("versions: flask, x==1.0.")
    listed = [f"p{number}" for number in range(25)]
    assert installed(policy="listed", listed=listed).endswith("p18, p19 and 5 more.")

    with pytest.raises(ConfigError, match="packages are installed for Python"):
        load_prompts(
            RunConfig.model_validate({"checks": ["javascript"], "dependencies": {"policy": "index"}})
        )
