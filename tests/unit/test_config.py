"""`configs/default.yaml` says what the code does, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from lmac.config import RunConfig
from lmac.errors import ConfigError
from lmac.inputs import load_checks, load_config, load_profile
from lmac.shipped import shipped_folder

DEFAULT = shipped_folder("configs") / "default.yaml"
PROFILES = sorted(path.stem for path in (shipped_folder("configs") / "models").glob("*.yaml"))


def keys_of(value: Any, at: str = "") -> Iterator[str]:
    """Every key of a config, with its sections."""
    names = list(type(value).model_fields) if isinstance(value, BaseModel) else []
    names += [field.name for field in fields(value)] if is_dataclass(value) else []
    for name in names:
        yield f"{at}{name}"
        yield from keys_of(getattr(value, name), f"{at}{name}.")


def keys_in(document: Any, at: str = "") -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield f"{at}{name}"
            yield from keys_in(value, f"{at}{name}.")


def test_the_default_file_equals_the_defaults() -> None:
    assert load_config(DEFAULT, ()) == RunConfig()


def test_the_default_file_names_every_key() -> None:
    document = yaml.safe_load(DEFAULT.read_text("utf-8"))

    assert set(keys_in(document)) == set(keys_of(RunConfig()))


def test_every_key_of_the_default_file_stands_below_a_line_that_explains_it() -> None:
    lines = DEFAULT.read_text("utf-8").splitlines()
    bare = [line for before, line in pairwise(lines) if ":" in line and "#" not in line + before]

    assert bare == []


def test_without_a_file_the_defaults_hold() -> None:
    assert load_config(None, ()) == RunConfig()


@pytest.mark.parametrize("name", PROFILES)
def test_every_shipped_profile_loads_by_its_name_and_by_its_path(name: str) -> None:
    path = shipped_folder("configs") / "models" / f"{name}.yaml"

    assert load_profile(name) == load_profile(str(path))
    assert load_profile(name).name == name


@pytest.mark.parametrize("rule", ["f401", "F401,E9", "F401 ", "F-401", "401", "", "--fix", "F4x", "F401\\n"])
@pytest.mark.parametrize("kind", ["blocking", "advisory"])
def test_what_is_no_rule_is_refused_before_anything_starts(kind: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=r"rules\.lint"):
        load_checks(load_config(None, (f'rules.lint.{kind}=["{rule}"]',)))


def test_a_rule_is_a_code_or_a_prefix() -> None:
    config = load_config(None, ("rules.lint.blocking=[F, E9, PLR0913]",))
    lint = next(check for check in load_checks(config).checks if check.name == "lint")

    assert config.rules["lint"].blocking == ("F", "E9", "PLR0913")
    assert "F,E9,PLR0913" in ",".join(lint.job().argv)


def test_the_default_model_is_shipped() -> None:
    assert RunConfig().model in PROFILES


def test_a_config_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().seed = 3  # type: ignore[misc]  # this is the point
