"""Prompts are filled in strictly, and only once."""

from __future__ import annotations

import pytest
import yaml

from lmac.errors import ConfigError
from lmac.prompts import PLACES, parse_prompts, shipped_prompts

PROMPTS = shipped_prompts("codebase")


def texts(**changed: str) -> str:
    """A YAML in which every prompt uses its names, with some changed."""
    whole = {name: " ".join(f"${place}" for place in sorted(places)) for name, places in PLACES.items()}
    return yaml.safe_dump(whole | changed)


@pytest.mark.parametrize("name", PLACES)
def test_every_shipped_prompt_is_filled_in_whole(name: str) -> None:
    values = {place: f"<{place} here>" for place in PLACES[name]}
    rendered = PROMPTS.render(name, **values)

    assert all(value in rendered for value in values.values())
    assert "$" not in rendered


def test_a_value_is_never_filled_in_again() -> None:
    rendered = PROMPTS.render("single", task="costs $5, $task and ${task} and $$")

    assert "costs $5, $task and ${task} and $$" in rendered


@pytest.mark.parametrize("values", [{}, {"task": "x", "more": "y"}, {"tusk": "x"}])
def test_a_value_too_few_or_too_many_is_a_fault_of_the_caller(values: dict[str, str]) -> None:
    with pytest.raises(KeyError, match="single"):
        PROMPTS.render("single", **values)


def test_prompts_that_use_their_names_are_taken() -> None:
    assert parse_prompts(texts(), "own.yaml").render("single", task="x") == "x"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (texts(single="no name"), "prompt 'single' uses"),
        (texts(single="$task $more"), "prompt 'single' uses"),
        (texts(single="$task for $5"), "prompt 'single' holds a"),
        (texts(extra="x"), "missing or unknown: extra"),
        ("single: $task", "missing or unknown: .*architect"),
        ("- a", "missing or unknown"),
        ("a: [", "no YAML"),
        ("", "missing or unknown"),
    ],
)
def test_prompts_that_could_fail_later_are_refused_at_once(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        parse_prompts(text, "own.yaml")

    assert "own.yaml" in error.value.message


def test_the_digest_names_the_text() -> None:
    assert parse_prompts(texts(), "a").digest != parse_prompts(texts(single="${task}"), "a").digest


def test_a_domain_without_prompts_is_named() -> None:
    with pytest.raises(ConfigError, match="'novel'"):
        shipped_prompts("novel")
